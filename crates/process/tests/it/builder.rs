//! The settings of a node: what each does, and what is said of one that makes no sense.

use crate::panics::warnings;
use crate::support::{Journal, ended, idler, inside, mortal, oops, settle, threads, why};
use freeboard_process::{
    Actor, BuildError, CallError, Context, Ended, Event, ExitReason, InitError, Node, NodeBuilder, PanicInfo, Reply,
    Sim, SpawnError, run_actor,
};
use std::{
    panic::{self, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

/// What is said of these settings.
fn complaint(settings: NodeBuilder) -> String {
    threads(async |_| match settings.start() {
        Ok(_) => "nothing".to_owned(),
        Err(error) => error.to_string(),
    })
}

#[test]
fn a_setting_that_makes_no_sense_is_named_with_what_it_may_be() {
    let cases = [
        (Node::builder().call_timeout(Duration::ZERO), "call_timeout(0ns) is no valid setting; give it more than zero"),
        (
            Node::builder().start_timeout(Duration::ZERO),
            "start_timeout(0ns) is no valid setting; give it more than zero",
        ),
        (Node::builder().high_water(1_023), "high_water(1023) is no valid setting; give it 1,024 messages or more"),
        (
            Node::builder().max_processes(0),
            "max_processes(0) is no valid setting; give it 1 to 4,294,967,294 processes",
        ),
        (
            Node::builder().max_processes(usize::MAX),
            "max_processes(18446744073709551615) is no valid setting; give it 1 to 4,294,967,294 processes",
        ),
        (
            Node::builder().watchdog(Duration::from_micros(999)),
            "watchdog(999µs) is no valid setting; give it a millisecond or more",
        ),
    ];
    for (settings, what) in cases {
        assert_eq!(complaint(settings), what);
    }
    let least = Node::builder()
        .call_timeout(Duration::from_nanos(1))
        .start_timeout(Duration::from_nanos(1))
        .high_water(1_024)
        .max_processes(1)
        .watchdog(Duration::from_millis(1));
    assert_eq!(complaint(least), "nothing");
    let most = Node::builder().call_timeout(Duration::MAX).start_timeout(Duration::MAX).watchdog(Duration::MAX);
    assert_eq!(complaint(most.high_water(usize::MAX).max_processes(u32::MAX as usize - 1)), "nothing");
}

#[test]
fn a_node_without_a_runtime_says_where_to_find_one() {
    let error = Node::builder().start().unwrap_err();
    assert!(matches!(error, BuildError::NoRuntime));
    assert!(error.to_string().contains("attach"), "{error}");
}

// OTP: F8
#[test]
fn a_call_waits_as_long_as_its_node_says_unless_it_says_otherwise() {
    Sim::seed(1).run_with(Node::builder().call_timeout(2 * SECOND), async |node: Node| {
        let deaf = node.spawn(async |_cx: Context<Reply<()>>| std::future::pending().await);
        let start = node.now();
        assert!(matches!(deaf.call(|reply| reply).await, Err(CallError::Timeout)));
        assert_eq!(node.now() - start, 2 * SECOND);
        assert!(matches!(deaf.call(|reply| reply).within(SECOND).await, Err(CallError::Timeout)));
        assert_eq!(node.now() - start, 3 * SECOND);
        deaf.kill();
    });
}

// OTP: E13
#[test]
fn a_mailbox_warns_at_the_mark_of_its_node() {
    let after = |messages: u32| {
        warnings(|| {
            Sim::seed(1).run_with(Node::builder().high_water(2_048), async |node: Node| {
                let deaf = node.spawn(async |_cx: Context<u32>| std::future::pending().await);
                (0..messages).for_each(|n| deaf.cast(n));
            });
        })
    };
    assert_eq!([after(2_047), after(2_048), after(4_096)], [0, 1, 1]);
}

#[test]
fn one_process_too_many_ends_at_once_and_loses_nothing() {
    Sim::seed(1).run_with(Node::builder().max_processes(3), async |node: Node| {
        let first = mortal(&node);
        let heard = inside(&node, async |mut cx: Context<()>| {
            let third = idler(cx.node());
            let surplus = idler(cx.node());
            let refused = (surplus.ended().unwrap().to_string(), surplus.send(()).unwrap_err().message);
            cx.trap_exit(true);
            let (_watched, monitor) = cx.spawn_monitor(async |_cx: Context<()>| Ok(()));
            let down = cx.recv_down(monitor).await.reason.to_string();
            cx.spawn_link(async |_cx: Context<()>| Ok(()));
            let Event::Exit(exit) = cx.recv().await else { panic!("no exit") };
            third.kill();
            (refused, down, exit.reason.to_string(), cx.node().process_count())
        })
        .await;
        let why = format!("error: {}", SpawnError::TooMany { limit: 3 });
        assert_eq!(heard, ((why.clone(), ()), why.clone(), why, 3));
        settle(&node).await;
        assert_eq!(node.process_count(), 1);
        first.kill();
    });
}

#[test]
fn whoever_hears_of_an_end_finds_room_for_a_successor() {
    for seed in 0..50 {
        Sim::seed(seed).run_with(Node::builder().max_processes(3), async |node: Node| {
            let victim = mortal(&node);
            let (mine, owner) = (victim.clone(), node.clone());
            let successor = inside(&node, async move |mut cx: Context<()>| {
                cx.trap_exit(true);
                let monitor = cx.monitor(&mine);
                cx.link(&mine);
                let filler = mortal(&owner);
                assert!(owner.try_spawn(async |_cx: Context<()>| Ok(())).is_err());
                mine.cast(oops("over"));
                cx.recv_down(monitor).await;
                filler.kill();
                owner.try_spawn(async |_cx: Context<()>| Ok(())).is_ok()
            })
            .await;
            assert!(successor);
        });
    }
}

#[test]
fn a_body_that_finds_no_place_comes_back() {
    Sim::seed(1).run_with(Node::builder().max_processes(1), async |node: Node| {
        let only = mortal(&node);
        let body = async |mut cx: Context<Reply<&'static str>>| {
            cx.recv_message().await.send("here");
            Ok(())
        };
        let (body, why) = node.try_spawn(body).unwrap_err();
        assert_eq!((why, node.process_count(), node.seats()), (SpawnError::TooMany { limit: 1 }, 1, 1));
        only.kill();
        while node.process_count() > 0 {
            crate::support::step_aside().await;
        }
        let second = node.try_spawn(body).map_err(|(_, why)| why).unwrap();
        assert_eq!(second.call(|reply| reply).await.unwrap(), "here");
    });
}

#[test]
fn a_body_that_panics_before_it_is_one_takes_no_place() {
    Sim::seed(1).run_with(Node::builder().max_processes(1), async |node: Node| {
        for _ in 0..3 {
            let broken = |_cx: Context<()>| -> std::future::Ready<Ended> { panic!("no body") };
            let work = std::panic::AssertUnwindSafe(|| node.try_spawn(broken).is_ok());
            assert!(panic::catch_unwind(work).is_err());
            assert_eq!(node.process_count(), 0);
        }
        assert!(node.try_spawn(async |_cx: Context<()>| Ok(())).is_ok());
        assert!(node.shutdown(SECOND).await.is_orderly());
    });
}

/// Panics in its handler, a known number of lines below this one.
struct Fragile;

impl Actor for Fragile {
    type Msg = ();
    type Args = ();

    async fn init(_: (), _: &mut Context<()>) -> Result<Self, InitError> {
        Ok(Self)
    }

    async fn handle(&mut self, _: (), _: &mut Context<()>) -> Ended {
        panic!("in a handler")
    }
}

/// The message and the location of the panic that ended a process, without the line.
fn seen(reason: &ExitReason) -> (String, String) {
    let ExitReason::Panic(info) = reason else { panic!("{reason} is no panic") };
    let PanicInfo { message, location } = &**info;
    (message.clone(), location.split(':').next().unwrap_or_default().to_owned())
}

// OTP: A3
#[test]
fn the_location_of_a_panic_is_in_the_reason_where_the_node_asks_for_it() {
    let calls = Arc::new(AtomicUsize::new(0));
    let (counted, me, before) = (Arc::clone(&calls), thread::current().id(), panic::take_hook());
    panic::set_hook(Box::new(move |info| {
        if thread::current().id() == me {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        before(info);
    }));
    let (here, nowhere) = (file!().to_owned(), String::new());
    for (asks, place) in [(true, &here), (true, &here), (false, &nowhere)] {
        calls.store(0, Ordering::Relaxed);
        Sim::seed(1).run_with(Node::builder().panic_locations(asks), async |node: Node| {
            let raw = node.spawn(async |_cx: Context<()>| panic!("in a body"));
            assert_eq!(seen(&ended(&node, &raw).await), ("in a body".to_owned(), place.clone()));
            let actor = node.spawn(async |cx: Context<()>| run_actor::<Fragile>(|| (), cx).await);
            actor.cast(());
            assert_eq!(seen(&ended(&node, &actor).await), ("in a handler".to_owned(), place.clone()));
        });
        assert_eq!(calls.load(Ordering::Relaxed), 2, "each panic reaches the hook from before once");
    }
}

// OTP: A3
#[test]
fn a_panic_that_passed_no_hook_has_no_location_of_an_other_process() {
    Sim::seed(1).run_with(Node::builder().panic_locations(true), async |node: Node| {
        let careful = node.spawn(async |_cx: Context<()>| {
            assert!(panic::catch_unwind(|| panic!("caught")).is_err());
            Ok(())
        });
        assert!(matches!(ended(&node, &careful).await, ExitReason::Normal));
        let quiet = node.spawn(async |_cx: Context<()>| resume_unwind(Box::new("quiet")));
        assert_eq!(seen(&ended(&node, &quiet).await), ("quiet".to_owned(), String::new()));
    });
}

// OTP: A3
#[test]
fn the_location_is_known_on_a_thread_of_a_process_too() {
    let settings = Node::builder().panic_locations(true);
    threads(async |_| {
        let node = settings.start().unwrap();
        let process = node.spawn_thread(|_cx: freeboard_process::BlockingContext<()>| panic!("on a thread"));
        assert_eq!(seen(&ended(&node, &process).await), ("on a thread".to_owned(), file!().to_owned()));
    });
}

#[test]
fn a_caller_hears_of_a_body_that_was_refused() {
    Sim::seed(1).run_with(Node::builder().max_processes(1), async |node: Node| {
        let only = idler(&node);
        let surplus = node.spawn(async |_cx: Context<Reply<()>>| std::future::pending().await);
        let heard = why(&surplus.call(|reply| reply).await);
        assert_eq!(heard, format!("exited: error: {}", SpawnError::TooMany { limit: 1 }));
        only.kill();
    });
    let dropped = Journal::new();
    Sim::seed(1).run_with(Node::builder().max_processes(1), async |node: Node| {
        let only = idler(&node);
        let held = crate::support::Notes(dropped.clone(), "what the body holds");
        let _refused = node.spawn(async move |_cx: Context<()>| {
            let _held = held;
            Ok(())
        });
        assert_eq!(dropped.len(), 1);
        only.kill();
    });
}
