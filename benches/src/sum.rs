//! The actor that sums what it is sent: the least that an actor can do and still be checked.
//!
//! Not here: who sends (`load.rs`), and the same written by hand (`floor.rs`).

use freeboard::prelude::*;

/// Adds numbers up, from 0.
#[derive(Debug)]
pub struct Sum(u64);

/// What it is sent.
#[derive(Debug)]
pub enum Msg {
    /// Adds to the sum.
    Add(u64),
    /// Asks for the sum.
    Get(Reply<u64>),
}

impl Actor for Sum {
    type Msg = Msg;
    type Args = ();

    async fn init((): (), _: &mut Context<Msg>) -> Result<Self, InitError> {
        Ok(Self(0))
    }

    async fn handle(&mut self, msg: Msg, _: &mut Context<Msg>) -> Ended {
        match msg {
            Msg::Add(number) => self.0 += number,
            Msg::Get(reply) => reply.send(self.0),
        }
        Ok(())
    }
}
