//! The "after": an instance on Freeboard's dynamic supervisor.
//!
//! Each caller runs its own start: no message passes through the supervisor, so there is no queue to look through. What
//! waits, waits in the runtime, and is shown as in flight. The lease is renewed by the lease thread, beside the flood and
//! not behind it, for as long as the supervisor lives.

use std::sync::Arc;
use std::time::Duration;

use freeboard::prelude::*;
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinSet;

use crate::instance::{CHILD_LIFE, INIT_WORK, Instance};
use crate::recorder::Recorder;
use crate::request::Request;
use crate::stopwatch::{Stopwatch, spin};
use crate::timeline::Depth;

/// One connection to an SFU: works through its init, then lives for as long as its arguments say.
#[derive(Debug)]
struct Connection;

#[derive(Debug)]
enum Line {
    Close,
}

impl Actor for Connection {
    type Msg = Line;
    type Args = Duration;

    async fn init(life: Duration, cx: &mut Context<Line>) -> Result<Self, InitError> {
        spin(INIT_WORK);
        cx.send_after(life, Line::Close);
        Ok(Self)
    }

    async fn handle(&mut self, Line::Close: Line, _: &mut Context<Line>) -> Ended {
        Err(ExitReason::Shutdown)
    }
}

/// Puts up an instance on a node of its own.
pub(crate) fn put_up(runtime: &Handle, recorder: &Arc<Recorder>, instance: usize) -> Freeboard {
    let supervisor = runtime.block_on(supervisor());
    Freeboard { supervisor, runtime: runtime.clone(), recorder: Arc::clone(recorder), instance }
}

async fn supervisor() -> DynamicRef {
    DynamicSupervisor::new().start(&Node::new()).await.expect("a supervisor without children starts")
}

/// An instance whose callers start their connections themselves.
#[derive(Debug)]
pub(crate) struct Freeboard {
    supervisor: DynamicRef,
    runtime: Handle,
    recorder: Arc<Recorder>,
    instance: usize,
}

impl Instance for Freeboard {
    fn offer(&self, request: Request) {
        let (supervisor, recorder, instance) = (self.supervisor.clone(), Arc::clone(&self.recorder), self.instance);
        self.runtime.spawn(async move {
            // Boxed, because most callers of a storm wait for their first turn, and need not be as large as a start meanwhile.
            let start = Box::pin(supervisor.start_child(child_once::<Connection>(CHILD_LIFE)));
            // A start that fails leaves its caller without an answer, and shows as such.
            if start.await.is_ok() {
                recorder.answered(instance, request.reply_to, recorder.clock().now_us());
            }
        });
    }

    fn heartbeat(&self) {
        if self.supervisor.pid().is_some() {
            self.recorder.ring().renew(self.instance, self.recorder.clock().now_us());
        }
    }

    fn mailbox(&self) -> Depth {
        // Only the ends of children and requests about them reach the supervisor; starts do not.
        Depth { exits: self.supervisor.depth() as u64, ..Depth::default() }
    }

    fn stop(&self) {
        self.supervisor.kill();
    }
}

/// Starts `count` connections at once; returns how many microseconds it took until all of them were up.
pub(crate) fn start_many(runtime: &Runtime, count: u64) -> u64 {
    runtime.block_on(async {
        let supervisor = supervisor().await;
        let clock = Stopwatch::start();
        let mut callers = JoinSet::new();
        for _ in 0..count {
            let supervisor = supervisor.clone();
            callers.spawn(async move { supervisor.start_child(child_once::<Connection>(CHILD_LIFE)).await.is_ok() });
        }
        while callers.join_next().await.is_some() {}
        let took_us = clock.now_us();
        supervisor.stop(ExitReason::Shutdown).await;
        took_us
    })
}
