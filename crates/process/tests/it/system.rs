//! What others may ask of an actor between two messages.

use crate::support::{Journal, ended, idler, inside, oops, seeds, settle, step_aside};
use freeboard_process::{Actor, Addr, AskError, Context, Ended, ExitReason, InitError, Node, run_actor};
use std::time::Duration;

/// An open actor: a sum, a journal, and an idle timeout if it is told one.
struct Sum {
    total: u64,
    journal: Journal<String>,
}

impl Actor for Sum {
    type Msg = u64;
    type Args = (Journal<String>, Option<Duration>);
    const OPEN: bool = true;

    async fn init((journal, idle): Self::Args, cx: &mut Context<u64>) -> Result<Self, InitError> {
        cx.idle_timeout(idle);
        cx.trap_exit(true);
        Ok(Self { total: 0, journal })
    }

    async fn handle(&mut self, n: u64, cx: &mut Context<u64>) -> Ended {
        self.total += n;
        self.journal.note(format!("{n}"));
        if n == 100 {
            // Receives in the middle of a handler, where nobody serves a request.
            while let Some(event) = cx.recv().after(Duration::from_secs(1)).await {
                self.journal.note(format!("inside {event:?}"));
            }
        }
        Ok(())
    }

    async fn handle_timeout(&mut self, _: &mut Context<u64>) -> Ended {
        self.journal.note("idle".to_owned());
        Ok(())
    }

    async fn handle_exit(&mut self, exit: freeboard_process::Exit, _: &mut Context<u64>) -> Ended {
        self.journal.note(format!("exit {}", exit.reason));
        Ok(())
    }

    async fn terminate(&mut self, reason: &ExitReason, _: &mut Context<u64>) {
        self.journal.note(format!("terminate {reason}"));
    }
}

/// The same, closed.
struct Closed;

impl Actor for Closed {
    type Msg = u64;
    type Args = ();
    async fn init((): (), _: &mut Context<u64>) -> Result<Self, InitError> {
        Ok(Self)
    }
    async fn handle(&mut self, _: u64, _: &mut Context<u64>) -> Ended {
        Ok(())
    }
}

fn sum(node: &Node, idle: Option<Duration>) -> (Addr<u64>, Journal<String>) {
    let journal = Journal::new();
    let args = (journal.clone(), idle);
    (node.spawn(move |cx| run_actor::<Sum>(move || args, cx)), journal)
}

async fn total(addr: &Addr<u64>) -> Result<u64, AskError> {
    addr.get_state(|sum: &Sum| sum.total).await
}

// OTP: L6, D1
#[test]
fn a_request_is_served_in_its_turn_between_two_handlers() {
    seeds(async |node| {
        let (addr, journal) = sum(&node, None);
        addr.cast(1);
        assert_eq!(total(&addr).await.unwrap(), 1);
        addr.cast(100);
        addr.cast(2);
        // The handler of 100 receives the 2, and not the request, which waits until the handler is through.
        assert_eq!(total(&addr).await.unwrap(), 101);
        assert_eq!(journal.take(), ["1", "100", "inside Message(..)"]);
        addr.cast(3);
        assert_eq!(total(&addr).await.unwrap(), 104);
    });
}

// OTP: L7
#[test]
fn a_suspended_actor_leaves_everything_in_its_place_and_still_serves_requests() {
    seeds(async |node| {
        let (addr, journal) = sum(&node, None);
        addr.suspend().await.unwrap();
        addr.suspend().await.unwrap();
        addr.cast(1);
        addr.exit(oops("a message to it"));
        addr.cast(2);
        settle(&node).await;
        assert_eq!((total(&addr).await.unwrap(), journal.len()), (0, 0));
        addr.resume().await.unwrap();
        settle(&node).await;
        assert_eq!(journal.take(), ["1", "exit error: a message to it", "2"]);
        addr.resume().await.unwrap();
        // Stopped while it is suspended, in its turn among the requests.
        addr.suspend().await.unwrap();
        addr.cast(3);
        addr.stop(ExitReason::Shutdown).await.unwrap();
        assert_eq!(journal.take(), ["terminate shutdown"]);
    });
}

// OTP: L7, F28
#[test]
fn a_suspended_actor_ends_with_its_parent_and_by_a_kill() {
    seeds(async |node| {
        let (addrs, journal) = (Journal::new(), Journal::new());
        let (out, args) = (addrs.clone(), (journal.clone(), None));
        let parent = node.spawn(async move |mut cx: Context<()>| {
            out.note(cx.spawn_link(async move |cx| run_actor::<Sum>(|| args, cx).await));
            cx.recv_message().await;
            Ok(())
        });
        settle(&node).await;
        let addr = addrs.take().pop().unwrap();
        addr.suspend().await.unwrap();
        addr.cast(1);
        parent.cast(());
        assert_eq!(ended(&node, &addr).await.to_string(), "normal");
        assert_eq!(journal.take(), ["terminate normal"]);
        let (addr, _) = sum(&node, None);
        addr.suspend().await.unwrap();
        addr.kill();
        assert_eq!(ended(&node, &addr).await.to_string(), "killed");
    });
}

// OTP: L8
#[test]
fn a_replacement_that_fails_changes_nothing_and_says_so() {
    seeds(async |node| {
        let (addr, _) = sum(&node, None);
        addr.cast(5);
        let with = |total: u64, old: &Sum| Sum { total, journal: old.journal.clone() };
        let failed = addr.replace_state(|_: &Sum| Err::<Sum, _>(oops("no"))).await;
        assert!(matches!(&failed, Err(AskError::Failed(why)) if why.to_string() == "error: no"), "{failed:?}");
        let panicked = addr.replace_state(|_: &Sum| -> Result<Sum, ExitReason> { panic!("in change") }).await;
        assert!(matches!(panicked, Err(AskError::Failed(ExitReason::Panic(_)))), "{panicked:?}");
        let panicked = addr.get_state(|_: &Sum| -> u64 { panic!("in look") }).await;
        assert!(matches!(panicked, Err(AskError::Failed(ExitReason::Panic(_)))), "{panicked:?}");
        assert_eq!(total(&addr).await.unwrap(), 5);
        addr.replace_state(move |old: &Sum| Ok::<_, ExitReason>(with(old.total + 1, old))).await.unwrap();
        assert_eq!(total(&addr).await.unwrap(), 6);
    });
}

#[test]
fn whoever_is_closed_or_raw_or_gone_or_slow_or_oneself_is_told_apart() {
    seeds(async |node| {
        let closed = node.spawn(|cx| run_actor::<Closed>(|| (), cx));
        assert!(matches!(closed.get_state(|_: &Closed| ()).await, Err(AskError::NotOpen)));
        assert!(matches!(closed.suspend().await, Err(AskError::NotOpen)));
        assert!(matches!(closed.resume().await, Err(AskError::NotOpen)));
        let (open, _) = sum(&node, None);
        assert!(matches!(open.get_state(|_: &Closed| ()).await, Err(AskError::OtherType)));
        let raw = node.spawn(async |mut cx: Context<u64>| {
            loop {
                cx.recv().await;
            }
        });
        assert!(matches!(raw.get_state(|_: &Sum| ()).await, Err(AskError::NotOpen)));
        assert!(matches!(
            idler(&node).suspend().within(Duration::from_secs(1)).await,
            Err(AskError::Timeout | AskError::NotOpen)
        ));
        open.cast(100);
        let start = node.now();
        let late = open.get_state(|sum: &Sum| sum.total).within(Duration::from_millis(10)).await;
        assert!(matches!(late, Err(AskError::Timeout)), "{late:?}");
        assert_eq!(node.now() - start, Duration::from_millis(10));
        open.kill();
        assert!(matches!(open.get_state(|sum: &Sum| sum.total).await, Err(AskError::Exited(_))));
        settle(&node).await;
        assert!(matches!(open.suspend().await, Err(AskError::Exited(ExitReason::NoProc))));
        let own = inside(&node, async |cx: Context<u64>| cx.addr().suspend().await).await;
        assert!(matches!(own, Err(AskError::CallingSelf)));
    });
}

// OTP: F19
#[test]
fn a_request_ends_no_idle_timeout() {
    seeds(async |node| {
        let (addr, journal) = sum(&node, Some(Duration::from_secs(10)));
        let start = node.now();
        for _ in 0..3 {
            node.spawn(async |mut cx: Context<()>| {
                cx.sleep(Duration::from_secs(3)).await;
                Ok(())
            });
            inside(&node, async |mut cx: Context<()>| cx.sleep(Duration::from_secs(3)).await).await;
            total(&addr).await.unwrap();
        }
        assert_eq!(journal.len(), 0);
        inside(&node, async |mut cx: Context<()>| cx.sleep(Duration::from_millis(1_500)).await).await;
        step_aside().await;
        assert_eq!(journal.take(), ["idle"]);
        assert!(node.now() - start < Duration::from_secs(11));
    });
}
