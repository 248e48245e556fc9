//! A small service: a node of its own, a clerk under a name and a supervisor, and an orderly end with its report.
//!
//! The clerk gathers orders and files them in batches: when ten have come, or a moment after the first. It crashes on a
//! torn order; the orders that wait behind that one are kept for its next incarnation.
//!
//! `cargo run --release --example service`

use freeboard::prelude::*;
use std::{error::Error, mem, time::Duration};

const BATCH: usize = 10;
const MOMENT: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Clerk {
    open: Vec<u32>,
    filed: usize,
    waiting: Vec<Reply<usize>>,
}

enum Msg {
    Order(u32),
    Torn,
    /// From the clerk's own timer.
    File,
    /// How many orders are open.
    Open(Reply<usize>),
    /// How many are filed, answered when none is open.
    Filed(Reply<usize>),
}

impl Clerk {
    fn file(&mut self) {
        let batch = mem::take(&mut self.open);
        self.filed += batch.len();
        println!("filed {batch:?}");
        self.waiting.drain(..).for_each(|reply| reply.send(self.filed));
    }
}

impl Actor for Clerk {
    type Msg = Msg;
    type Args = ();

    async fn init((): (), _: &mut Context<Msg>) -> Result<Self, InitError> {
        Ok(Self::default())
    }

    async fn handle(&mut self, msg: Msg, cx: &mut Context<Msg>) -> Ended {
        match msg {
            Msg::Order(order) => {
                self.open.push(order);
                if self.open.len() == 1 {
                    // One timer under this key: it is replaced when it is set again, and ends with this incarnation.
                    cx.set_timer("file", MOMENT, Msg::File);
                } else if self.open.len() == BATCH {
                    cx.cancel_timer("file");
                    self.file();
                }
            }
            Msg::Torn => return Err(ExitReason::ShutdownWith("a torn order".into())),
            Msg::File => self.file(),
            Msg::Open(reply) => reply.send(self.open.len()),
            Msg::Filed(reply) if self.open.is_empty() => reply.send(self.filed),
            Msg::Filed(reply) => self.waiting.push(reply),
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::owned(2)?;
    let desk = node.named::<Msg>("clerk");
    node.block_on(async {
        let office = DynamicSupervisor::new().start(&node).await?;
        let spec = child::<Clerk>(|| ()).restart(Restart::Permanent).name("clerk").queue(Queue::keep());
        let clerk = spec.addr();
        // Everything waits for the first start; the torn order ends the first incarnation, the rest is for the second one.
        clerk.cast(Msg::Torn);
        (0..12).for_each(|order| clerk.cast(Msg::Order(order)));
        office.start_child(spec).await?;
        // Behind all orders, so it is asked of the second clerk, who has filed ten, or all if its moment has passed.
        let open = clerk.call(Msg::Open).within(Duration::from_secs(5)).await?;
        assert!(open == 2 || open == 0, "{open} open");
        // The name is the second clerk's, too. The last two are filed when their moment has passed.
        assert_eq!(desk.call(Msg::Filed).within(Duration::from_secs(5)).await?, 12);
        Ok::<_, Box<dyn Error>>(())
    })?;
    let report = node.stop(Duration::from_secs(5));
    println!("ended {}, killed {}, left {}", report.ended, report.killed, report.left);
    assert!(report.is_orderly(), "{report:?}");
    assert_eq!(report.names, 0);
    Ok(())
}
