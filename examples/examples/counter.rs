//! A counter under a supervisor: state, a call, a crash, and the same address afterwards.
//!
//! `cargo run --release --example counter`

use freeboard::prelude::*;
use std::error::Error;

struct Counter {
    total: u64,
}

#[derive(Debug)]
enum Msg {
    Add(u64),
    Get(Reply<u64>),
    Crash,
}

impl Actor for Counter {
    type Msg = Msg;
    type Args = u64;

    async fn init(start: u64, _: &mut Context<Msg>) -> Result<Self, InitError> {
        Ok(Self { total: start })
    }

    async fn handle(&mut self, msg: Msg, _: &mut Context<Msg>) -> Ended {
        match msg {
            Msg::Add(n) => self.total += n,
            Msg::Get(reply) => reply.send(self.total),
            Msg::Crash => return Err(ExitReason::ShutdownWith("asked to crash".into())),
        }
        Ok(())
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::new();
    let counters = DynamicSupervisor::new().start(&node).await?;

    // The address comes with the spec: it is valid before the start and across restarts.
    let spec = child::<Counter>(|| 40).restart(Restart::Permanent);
    let counter = spec.addr();
    counter.cast(Msg::Add(2));
    counters.start_child(spec).await?;
    println!("total: {}", counter.call(Msg::Get).await?);

    let before = counter.pid();
    counter.cast(Msg::Crash);
    // Until the next incarnation is up, a call is refused or hears why the last one ended.
    let total = loop {
        match counter.call(Msg::Get).await {
            Ok(total) if counter.pid() != before => break total,
            Ok(_) => {}
            Err(why) => println!("in between: {why}"),
        }
        tokio::task::yield_now().await;
    };
    println!("after the restart: {total}");

    counters.stop(ExitReason::Shutdown).await;
    println!("stopped, {} children left", counters.tracked());
    Ok(())
}
