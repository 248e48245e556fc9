//! User code that panics where the runtime runs it: destructors, payloads, `Display`; nobody else may be harmed.

use crate::support::{Again, Journal, Notes, ended, inside, oops, pause, seeds, settle, step_aside};
use freeboard_process::sync::Mutex;
use freeboard_process::{Addr, Birth, Context, ExitReason, Launch, Launcher, Node, Reply, Sim};
use std::{cell::Cell, error::Error, fmt, sync::Arc, sync::OnceLock, time::Duration};
use tracing::{Event, Level, Metadata, Subscriber, span};

thread_local! {
    /// Warnings on this thread, while somebody counts them.
    static WARNINGS: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Who is told, in words, of every poll that a watchdog finds too long.
static STALLS: Mutex<Vec<crossbeam_channel::Sender<String>>> = Mutex::new(Vec::new());

/// From now on, what the watchdogs of the program report, in words.
pub(crate) fn stalls() -> crossbeam_channel::Receiver<String> {
    install();
    let (send, reports) = crossbeam_channel::unbounded();
    STALLS.lock().push(send);
    reports
}

fn install() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| tracing::subscriber::set_global_default(Counting).unwrap());
}

/// Counts the warnings of its own thread, and formats their fields as a real subscriber does.
struct Counting;

/// Answers how many warnings there were on this thread during `work`.
///
/// The subscriber is the program's, not the thread's: tracing asks one subscriber alone from whichever thread meets a
/// call site first, so a thread's own would now and then not be asked.
pub(crate) fn warnings(work: impl FnOnce()) -> usize {
    install();
    WARNINGS.set(Some(0));
    work();
    WARNINGS.take().unwrap()
}

impl Subscriber for Counting {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let text = || {
            let mut text = String::new();
            event.record(&mut |field: &tracing::field::Field, value: &dyn fmt::Debug| {
                text.push_str(&format!("{field}={value:?} "));
            });
            text
        };
        if let Some(count) = WARNINGS.get() {
            WARNINGS.set(Some(count + 1));
            drop(text());
        }
        if event.metadata().target() == "freeboard_process::watchdog" {
            let report = text();
            STALLS.lock().retain(|told| told.send(report.clone()).is_ok());
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Panics when it is dropped, unless a panic is under way already: that would end the program.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("a destructor panics");
        }
    }
}

/// What a watcher, a linked trapper and a caller of that process hear at its end, and whether a neighbour still serves.
async fn aftermath<M: Send + 'static>(
    node: &Node,
    victim: Addr<M>,
    blow: impl FnOnce(&Addr<M>) + Send + 'static,
) -> Vec<String> {
    let neighbour = node.spawn(async |mut cx: Context<Reply<()>>| {
        loop {
            cx.recv_message().await.send(());
        }
    });
    settle(node).await;
    let heard = inside(node, async move |mut cx: Context<()>| {
        cx.trap_exit(true);
        cx.link(&victim);
        let monitor = cx.monitor(&victim);
        step_aside().await;
        blow(&victim);
        let down = cx.recv_down(monitor).after(Duration::from_secs(1)).await;
        let exit = cx.recv().after(Duration::from_secs(1)).await;
        vec![
            down.map_or_else(|| "no DOWN".to_owned(), |down| format!("DOWN {}", down.reason)),
            match exit {
                Some(freeboard_process::Event::Exit(exit)) => format!("EXIT {}", exit.reason),
                other => format!("no EXIT: {other:?}"),
            },
        ]
    })
    .await;
    neighbour.call(|reply| reply).await.unwrap();
    heard
}

fn both(reason: &str) -> [String; 2] {
    [format!("DOWN {reason}"), format!("EXIT {reason}")]
}

// OTP: A1, A3
#[test]
fn a_state_that_panics_in_drop_harms_no_observer_and_changes_no_reason() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let victim = node.spawn(async |mut cx: Context<()>| {
                let _state = Bomb;
                cx.recv_message().await;
                Ok(())
            });
            assert_eq!(aftermath(&node, victim, |v| v.kill()).await, both("killed"));
        });
    }
}

// OTP: A3
#[test]
fn a_local_that_panics_while_the_body_returns_is_a_panic_of_the_body() {
    Sim::seed(1).run(async |node: Node| {
        let victim = node.spawn(async |mut cx: Context<()>| {
            let _state = Bomb;
            cx.recv_message().await;
            Ok(())
        });
        assert_eq!(aftermath(&node, victim, |v| v.cast(())).await, both("panic: a destructor panics"));
    });
}

// OTP: A1, A12
#[test]
fn queued_messages_that_panic_in_drop_do_not_keep_the_others_from_being_dropped() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let dropped = Journal::new();
            let victim = node.spawn(async |mut cx: Context<(Option<Bomb>, Notes<u32>)>| {
                // Looked at and left, so that some wait in the receiver and the rest at the senders' end.
                cx.recv_where(|_| false).await;
                Ok(())
            });
            for n in 0..4 {
                victim.cast(((n % 2 == 0).then(|| Bomb), Notes(dropped.clone(), n)));
            }
            settle(&node).await;
            for n in 4..8 {
                victim.cast(((n % 2 == 0).then(|| Bomb), Notes(dropped.clone(), n)));
            }
            assert_eq!(aftermath(&node, victim, |v| v.kill()).await, both("killed"));
            assert_eq!(dropped.take(), [0, 1, 2, 3, 4, 5, 6, 7]);
        });
    }
}

// OTP: A1
#[test]
fn a_timer_whose_message_panics_in_drop_does_not_stop_the_exit_protocol() {
    Sim::seed(1).run(async |node: Node| {
        let victim = node.spawn(async |mut cx: Context<Option<Bomb>>| {
            cx.send_after(Duration::from_secs(60), Some(Bomb));
            cx.send_after(Duration::from_secs(61), Some(Bomb));
            cx.recv_message().await;
            Ok(())
        });
        assert_eq!(aftermath(&node, victim, |v| v.kill()).await, both("killed"));
    });
}

// OTP: A1, A14
#[test]
fn timers_of_every_kind_whose_messages_panic_in_drop_end_with_their_process() {
    Sim::seed(1).run(async |node: Node| {
        let dropped = Journal::new();
        let notes = dropped.clone();
        let victim = node.spawn(async move |mut cx: Context<(Bomb, Notes<u32>)>| {
            for (number, after) in [(1, 10), (2, 60_000)] {
                cx.set_timer(number, Duration::from_millis(after), (Bomb, Notes(notes.clone(), number as u32)));
            }
            let held = (Bomb, Notes(notes.clone(), 3));
            cx.send_interval(Duration::from_millis(10), move || {
                let _held = &held;
                panic!("nobody receives it")
            });
            // One message and one tick are due and wait.
            cx.sleep(Duration::from_millis(20)).await;
            std::future::pending().await
        });
        pause(&node, Duration::from_millis(15)).await;
        assert_eq!(aftermath(&node, victim, |v| v.kill()).await, both("killed"));
        let mut seen = dropped.take();
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3]);
    });
}

// OTP: F21
#[test]
fn a_message_that_panics_in_drop_when_it_is_taken_back_harms_not_even_its_process() {
    Sim::seed(1).run(async |node: Node| {
        let left = inside(&node, async |mut cx: Context<Option<Bomb>>| {
            let soon = Duration::from_millis(10);
            let timer = cx.send_after(soon, Some(Bomb));
            let mut left = vec![cx.cancel(timer)];
            for key in ["early", "queued", "left"] {
                cx.set_timer(key, soon, Some(Bomb));
            }
            left.push(cx.cancel_timer("early"));
            assert!(cx.recv_where(Option::is_none).after(2 * soon).await.is_none());
            left.push(cx.cancel_timer("left"));
            cx.set_timer("late", soon, Some(Bomb));
            cx.sleep(2 * soon).await;
            left.extend([cx.cancel_timer("late"), cx.cancel_timer("queued")]);
            left
        })
        .await;
        let (soon, now) = (Some(Duration::from_millis(10)), Some(Duration::ZERO));
        assert_eq!(left, [soon, soon, now, now, now]);
    });
}

// OTP: F22
#[test]
fn continuations_that_panic_in_drop_are_dropped_all_the_same() {
    Sim::seed(1).run(async |node: Node| {
        let dropped = Journal::new();
        let notes = dropped.clone();
        let victim = node.spawn(async move |mut cx: Context<(Bomb, Notes<u32>)>| {
            for n in 0..3 {
                cx.then((Bomb, Notes(notes.clone(), n)));
            }
            cx.recv_message().await;
            Ok(())
        });
        assert_eq!(aftermath(&node, victim, |v| v.kill()).await, both("killed"));
        assert_eq!(dropped.take(), [0, 1, 2]);
    });
}

/// A payload whose own destructor panics.
#[derive(Debug)]
struct Payload;

impl Drop for Payload {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("a payload panics");
        }
    }
}

/// Panics in drop with a payload that does the same.
struct Shell;

impl Drop for Shell {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::panic::panic_any(Payload);
        }
    }
}

// OTP: A3
#[test]
fn a_panic_payload_that_panics_in_drop_is_caught_too() {
    Sim::seed(1).run(async |node: Node| {
        let victim = node.spawn(async |mut cx: Context<()>| {
            cx.recv_message().await;
            std::panic::panic_any(Payload)
        });
        let heard = aftermath(&node, victim, |v| v.cast(())).await;
        assert_eq!(heard, both("panic: panic with a payload that is no text"));
    });
}

// OTP: A3
#[test]
fn a_destructor_whose_payload_panics_in_drop_is_caught_too() {
    Sim::seed(1).run(async |node: Node| {
        let state = node.spawn(async |mut cx: Context<()>| {
            let _state = Shell;
            cx.recv_message().await;
            Ok(())
        });
        assert_eq!(aftermath(&node, state, |v| v.kill()).await, both("killed"));
        let queue = node.spawn(async |mut cx: Context<Shell>| {
            cx.recv_where(|_| false).await;
            Ok(())
        });
        queue.cast(Shell);
        queue.cast(Shell);
        assert_eq!(aftermath(&node, queue, |v| v.kill()).await, both("killed"));
    });
}

/// An error that cannot be shown.
#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("an error that cannot be shown")
    }
}

impl Error for Unspeakable {}

// OTP: A1
#[test]
fn a_reason_that_panics_when_it_is_reported_still_reaches_every_observer() {
    let count = warnings(|| {
        Sim::seed(1).run(async |node: Node| {
            let victim = node.spawn(async |mut cx: Context<()>| {
                cx.recv_message().await;
                Err(Unspeakable.into())
            });
            let heard = inside(&node, async move |mut cx: Context<()>| {
                let monitor = cx.monitor(&victim);
                victim.cast(());
                let down = cx.recv_down(monitor).after(Duration::from_secs(1)).await;
                matches!(down, Some(down) if matches!(down.reason, ExitReason::Error(_)))
            });
            assert!(heard.await);
        });
    });
    assert_eq!(count, 1);
}

/// An error that panics when it is dropped.
struct Grenade {
    _pin: Bomb,
}

impl fmt::Debug for Grenade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grenade")
    }
}

impl fmt::Display for Grenade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a grenade")
    }
}

impl Error for Grenade {}

// OTP: B7, D2
#[test]
fn a_reason_that_panics_in_drop_harms_nobody_whom_its_signal_does_not_concern() {
    Sim::seed(1).run(async |node: Node| {
        let heard = inside(&node, async |mut cx: Context<u32>| {
            let (me, alias) = (cx.addr(), cx.alias());
            assert!(cx.unalias(alias.reference()));
            me.cast(1);
            alias.exit(ExitReason::Error(Arc::new(Grenade { _pin: Bomb })));
            me.cast(2);
            step_aside().await;
            vec![cx.recv_message().await, cx.recv_message().await]
        });
        assert_eq!(heard.await, [1, 2]);
    });
}

// OTP: A3
#[test]
fn a_panicking_terminate_harms_no_neighbour() {
    use freeboard_process::{Actor, Ended, InitError, run_actor};
    struct Sore(Bomb);
    impl Actor for Sore {
        type Msg = ();
        type Args = ();
        async fn init((): (), _: &mut Context<()>) -> Result<Self, InitError> {
            Ok(Self(Bomb))
        }
        async fn handle(&mut self, (): (), _: &mut Context<()>) -> Ended {
            Err(oops("handler"))
        }
        async fn terminate(&mut self, _: &ExitReason, _: &mut Context<()>) {
            panic!("terminate");
        }
    }
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let victim = node.spawn(async |cx| run_actor::<Sore>(|| (), cx).await);
            let heard = aftermath(&node, victim.clone(), |v| v.cast(())).await;
            // Whichever of the two panics is the later one: everybody hears the same.
            assert_eq!(heard, both(&victim.ended().unwrap().to_string()));
            assert!(heard[0].starts_with("DOWN panic: "), "{heard:?}");
        });
    }
}

// OTP: A12
#[test]
fn a_seat_that_comes_back_survives_messages_that_panic_in_drop() {
    Sim::seed(1).run(async |node: Node| {
        let launcher = Launcher::new(|mut cx: Context<(Option<Bomb>, Option<Reply<u64>>)>| {
            Box::pin(async move {
                let (_, reply) = cx.recv_where(|(_, reply)| reply.is_some()).await;
                if let Some(reply) = reply {
                    reply.send(cx.pid().generation());
                }
                std::future::pending().await
            })
        });
        let addr = launcher.addr();
        for _ in 0..5 {
            let pid = launcher.prepare(&node).unwrap().pid();
            let birth = Birth { supervision: Some(Arc::new(Again)), ..Birth::default() };
            assert!(launcher.launch(&node, pid, birth));
            addr.cast((Some(Bomb), None));
            addr.cast((Some(Bomb), None));
            assert_eq!(addr.call(|reply| (None, Some(reply))).await.unwrap(), pid.generation());
            addr.kill();
            settle(&node).await;
            assert_eq!(addr.pid(), None);
        }
        drop(launcher);
        assert!(matches!(addr.ended(), Some(ExitReason::Killed)));
        let after = node.spawn(async |_cx: Context<()>| Ok(()));
        assert!(matches!(ended(&node, &after).await, ExitReason::Normal));
    });
}

// OTP: A3, A14
#[test]
fn a_timer_that_finds_nobody_and_whose_message_panics_twice_does_not_stop_the_others() {
    seeds(async |node| {
        let (lend, borrowed) = tokio::sync::oneshot::channel();
        let gone = node.spawn(async move |cx: Context<Shell>| {
            drop(lend.send(cx));
            Ok(())
        });
        ended(&node, &gone).await;
        borrowed.await.unwrap().send_after(Duration::from_millis(1), Shell);
        pause(&node, Duration::from_millis(5)).await;
    });
}
