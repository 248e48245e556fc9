//! The table of `addr.rs`: what each state of a seat makes of a send, a cast, a call, a look at the pid, a monitor and a link.

use crate::support::{Journal, Notes, inside, seeds, settle};
use freeboard_process::{
    Ack, Addr, Birth, Context, Event, ExitReason, Launch, Launcher, Node, Pending, Pid, Policy, Queue, Ref, Refused,
    Reply, StartError, Supervision,
};
use std::{
    future::{Future, pending},
    pin::pin,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

enum Msg {
    Tell(#[expect(dead_code, reason = "it is there to be dropped")] Notes<u32>),
    Ask(#[expect(dead_code, reason = "nobody answers")] Reply<()>),
}

/// What comes after the end of an incarnation.
#[derive(Clone, Copy, PartialEq)]
enum After {
    Restart,
    Stopped,
    Over,
}

impl Supervision for After {
    fn started(&self, _: Pid) {}

    fn comes_back(&self, _: Pid, _: &ExitReason) -> bool {
        *self == Self::Restart
    }

    fn keeps_spec(&self, _: Pid, _: &ExitReason) -> bool {
        *self == Self::Stopped
    }

    fn ended(&self, _: Pid, _: &ExitReason, _: Option<&StartError>) {}
}

/// What one state makes of everything: send, cast, call, pid, monitor, link.
type Row = [&'static str; 6];

const QUEUED: Row = ["queued", "queued", "queued", "none", "noproc", "noproc"];
const LIVES: Row = ["queued", "queued", "queued", "some", "incarnation", "incarnation"];
const VACANT: Row = ["vacant", "dropped", "vacant", "none", "noproc", "noproc"];
/// Nobody was ever up there.
const FAILED: Row = ["not started: killed", "dropped", "not started: killed", "none", "noproc", "noproc"];
const CLOSED: Row = ["closed: killed", "dropped", "exited: killed", "none", "noproc", "noproc"];

/// The first half of a look at a seat: all that takes effect at once.
struct Look {
    row: Row,
    monitor: Ref,
    /// An answer that is not there yet.
    call: Pending<()>,
}

fn word(of: &Refused, call: bool) -> &'static str {
    match (of, call) {
        (Refused::Vacant, _) => "vacant",
        (Refused::Closed(ExitReason::Killed), false) => "closed: killed",
        (Refused::Closed(ExitReason::Killed), true) => "exited: killed",
        (Refused::NotStarted(ExitReason::Killed), _) => "not started: killed",
        _ => "something else",
    }
}

fn look(cx: &mut Context<()>, addr: &Addr<Msg>) -> Look {
    let (dropped, mut row) = (Journal::new(), ["?"; 6]);
    cx.trap_exit(true);
    row[0] = match addr.send(Msg::Tell(Notes(dropped.clone(), 1))) {
        Ok(()) => "queued",
        Err(error) => word(&error.why, false),
    };
    dropped.take();
    addr.cast(Msg::Tell(Notes(dropped.clone(), 2)));
    row[1] = if dropped.len() == 0 { "queued" } else { "dropped" };
    let mut call = addr.request(Msg::Ask);
    row[2] = match pin!(&mut call).poll(&mut std::task::Context::from_waker(Waker::noop())) {
        Poll::Pending => "queued",
        Poll::Ready(Err(freeboard_process::CallError::Refused(why))) => word(&why, true),
        Poll::Ready(Err(freeboard_process::CallError::Exited(why))) => word(&Refused::Closed(why), true),
        Poll::Ready(Err(freeboard_process::CallError::NotStarted(why))) => word(&Refused::NotStarted(why), true),
        Poll::Ready(_) => "something else",
    };
    row[3] = if addr.pid().is_some() { "some" } else { "none" };
    let monitor = cx.monitor(addr);
    cx.link(addr);
    Look { row, monitor, call }
}

/// The second half: what the monitor and the link came to.
async fn hear(cx: &mut Context<()>, look: Look) -> Row {
    let Look { mut row, monitor, call } = look;
    drop(call);
    (row[4], row[5]) = ("incarnation", "incarnation");
    while let Some(event) = cx.recv().after(Duration::ZERO).await {
        match event {
            Event::Down(down) if down.monitor == monitor && matches!(down.reason, ExitReason::NoProc) => {
                row[4] = "noproc"
            }
            Event::Exit(exit) if matches!(exit.reason, ExitReason::NoProc) => row[5] = "noproc",
            // The incarnation has ended meanwhile, with a reason of its own.
            _ => {}
        }
    }
    row
}

async fn what(node: &Node, addr: &Addr<Msg>) -> Row {
    let addr = addr.clone();
    inside(node, async move |mut cx: Context<()>| {
        let look = look(&mut cx, &addr);
        hear(&mut cx, look).await
    })
    .await
}

/// A seat whose incarnations take nothing.
fn seat(policed: bool, queue: Queue) -> Launcher<Msg> {
    let launcher = Launcher::new(|mut cx: Context<Msg>| {
        Box::pin(async move {
            cx.acknowledge();
            pending().await
        })
    });
    let launcher = launcher.queue(queue);
    if policed { launcher.mailbox(Policy::bounded(1_000)) } else { launcher }
}

fn start(node: &Node, launcher: &Launcher<Msg>, after: After) {
    let pid = launcher.prepare(node).unwrap().pid();
    let birth = Birth { supervision: Some(Arc::new(after)), ..Birth::default() };
    assert!(launcher.launch(node, pid, birth));
}

/// Starts it, kills it and waits for its end.
async fn end(node: &Node, launcher: &Launcher<Msg>, after: After) {
    start(node, launcher, after);
    settle(node).await;
    launcher.addr().kill();
    settle(node).await;
}

// OTP: C5, D6, A12
#[test]
fn every_state_of_a_seat_answers_as_the_table_says() {
    for policed in [false, true] {
        seeds(async |node| {
            let modes = [Queue::Drop, Queue::keep(), Queue::Return];
            let mut seen: Vec<(&str, Row)> = Vec::new();

            let unstarted = seat(policed, Queue::Drop);
            seen.push(("unstarted", what(&node, &unstarted.addr()).await));

            // Its start is never acknowledged.
            let starting = Launcher::new(|_cx: Context<Msg>| Box::pin(pending()));
            let (pid, ack) = (starting.prepare(&node).unwrap().pid(), Ack::new());
            assert!(starting.launch(&node, pid, Birth { ack: Some(ack), ..Birth::default() }));
            seen.push(("starting", what(&node, &starting.addr()).await));

            let running = seat(policed, Queue::Drop);
            start(&node, &running, After::Over);
            settle(&node).await;
            seen.push(("running", what(&node, &running.addr()).await));
            seen.push(("exiting", while_exiting(&node).await));

            for (after, name) in [(After::Stopped, "failed, stopped"), (After::Over, "failed, closed")] {
                let failed = seat(policed, Queue::Drop);
                start(&node, &failed, after);
                // Before it has run: its start is not acknowledged.
                failed.addr().kill();
                settle(&node).await;
                seen.push((name, what(&node, &failed.addr()).await));
                assert_eq!(failed.addr().ended().is_none(), after == After::Stopped);
            }
            let unwanted = seat(policed, Queue::Drop);
            unwanted.stop(&ExitReason::Killed);
            seen.push(("failed, stopped", what(&node, &unwanted.addr()).await));
            unwanted.close(&ExitReason::Killed);
            seen.push(("failed, closed", what(&node, &unwanted.addr()).await));

            for queue in modes {
                let vacant = seat(policed, queue);
                end(&node, &vacant, After::Restart).await;
                let name = match queue {
                    Queue::Drop => "vacant, drop",
                    Queue::Keep { .. } => "vacant, keep",
                    Queue::Return => "vacant, return",
                };
                seen.push((name, what(&node, &vacant.addr()).await));
                vacant.stop(&ExitReason::Killed);
                seen.push(("stopped", what(&node, &vacant.addr()).await));

                let stopped = seat(policed, queue);
                end(&node, &stopped, After::Stopped).await;
                seen.push(("stopped", what(&node, &stopped.addr()).await));
                assert!(stopped.addr().ended().is_none(), "it can be started by hand");
                end(&node, &stopped, After::Over).await;
                seen.push(("closed", what(&node, &stopped.addr()).await));
                assert!(stopped.addr().ended().is_some());
                // The last one to start it goes away while a restart is due.
                let (addr, ()) = (vacant.addr(), drop(vacant));
                seen.push(("closed", what(&node, &addr).await));
            }

            for (state, row) in seen {
                let expected = match state {
                    "unstarted" | "vacant, keep" => QUEUED,
                    "starting" | "running" | "exiting" => LIVES,
                    "vacant, drop" | "vacant, return" => VACANT,
                    "failed, stopped" | "failed, closed" => FAILED,
                    _ => CLOSED,
                };
                assert_eq!(row, expected, "{state}");
            }
        });
    }
}

/// A look from a destructor of the process that ends.
async fn while_exiting(node: &Node) -> Row {
    struct Looks {
        with: Option<Context<()>>,
        at: Addr<Msg>,
        out: Option<tokio::sync::oneshot::Sender<(Context<()>, Look)>>,
    }
    impl Drop for Looks {
        fn drop(&mut self) {
            if let (Some(mut cx), Some(out)) = (self.with.take(), self.out.take()) {
                // On a thread of its own: here it would be the process itself that calls.
                let look = std::thread::scope(|scope| scope.spawn(|| look(&mut cx, &self.at)).join().unwrap());
                let _ = out.send((cx, look));
            }
        }
    }
    let node_of_exiting = node.clone();
    inside(node, async move |cx: Context<()>| {
        let (out, back) = tokio::sync::oneshot::channel();
        let exiting = node_of_exiting.spawn(async move |of_exiting: Context<Msg>| {
            let _looks = Looks { with: Some(cx), at: of_exiting.addr(), out: Some(out) };
            pending().await
        });
        // It must have run once to have anything to drop.
        settle(&node_of_exiting).await;
        exiting.kill();
        let (mut cx, look) = back.await.unwrap();
        hear(&mut cx, look).await
    })
    .await
}
