//! The node's hook sees every message that nobody will receive, and harms nobody.

use crate::support::{Again, Journal, Letter, SEEDS, ended, idler, oops, pause, settle, why};
use freeboard_process::sync::Mutex;
use freeboard_process::{
    Addr, Birth, Context, DeadLetter, Dropped, Launch, Launcher, Node, Pid, Policy, Refused, Reply, Sim,
};
use std::{sync::Arc, time::Duration};

const MS: Duration = Duration::from_millis(1);

/// What the hook of these tests notes.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Seen {
    to: Option<Pid>,
    cause: Dropped,
    tag: Option<&'static str>,
    number: Option<u64>,
}

/// Runs the world on nodes with a hook that notes what it is shown, once for each seed.
fn watched(world: impl AsyncFn(Node, &Journal<Seen>)) {
    for seed in 0..SEEDS {
        let seen = Journal::new();
        let journal = seen.clone();
        let settings = Node::builder().dead_letters(move |letter: &DeadLetter<'_>| {
            let number = letter.message.downcast_ref::<u32>().map(|n| u64::from(*n));
            let id = letter.message.downcast_ref::<Letter>().map(|letter| letter.id);
            journal.note(Seen { to: letter.to, cause: letter.cause, tag: letter.tag, number: number.or(id) });
        });
        Sim::seed(seed).run_with(settings, async |node: Node| world(node, &seen).await);
    }
}

/// A process that receives nothing for that long, and then everything.
fn sleeper(node: &Node, sleeps: Duration, policy: Policy<Letter>) -> Addr<Letter> {
    node.spawn_with(policy, async move |mut cx: Context<Letter>| {
        cx.sleep(sleeps).await;
        loop {
            cx.recv_message().await;
        }
    })
    .unwrap()
}

// OTP: E13
#[test]
fn the_hook_sees_each_message_that_a_policy_drops_or_refuses_with_the_cause_and_the_tag() {
    watched(async |node, seen| {
        for (policy, expected) in [
            (Policy::bounded(1), vec![(Dropped::Rejected, 2), (Dropped::Rejected, 3)]),
            (Policy::bounded(1).drop_oldest(), vec![(Dropped::Oldest, 1), (Dropped::Oldest, 2)]),
            (Policy::bounded(1).drop_newest(), vec![(Dropped::Newest, 2), (Dropped::Newest, 3)]),
            (Policy::unbounded().coalesce(), vec![(Dropped::Coalesced, 1), (Dropped::Coalesced, 2)]),
            (Policy::unbounded().expire_after(MS), (1..=3).map(|id| (Dropped::Expired, id)).collect()),
        ] {
            let process = sleeper(&node, 9 * MS, policy.count_tags());
            settle(&node).await;
            (1..=3).for_each(|id| process.cast(Letter { id, tag: 1, key: 5 }));
            pause(&node, 20 * MS).await;
            let to = process.pid();
            let tag = Some("Answer");
            let letters: Vec<_> =
                expected.into_iter().map(|(cause, id)| Seen { to, cause, tag, number: Some(id) }).collect();
            assert_eq!(seen.take(), letters);
        }
    });
}

// OTP: A12
#[test]
fn the_hook_sees_what_a_process_left_when_it_ended_and_who_it_was() {
    watched(async |node, seen| {
        let process = node.spawn(async |mut cx: Context<u32>| {
            // One it looked at and left, one it never saw.
            let _first = cx.recv_where(|n| *n == 2).await;
            cx.sleep(9 * MS).await;
            Err(oops("enough"))
        });
        let pid = process.pid();
        (1..=2).for_each(|n| process.cast(n));
        settle(&node).await;
        process.cast(3);
        ended(&node, &process).await;
        let left = |number| Seen { to: pid, cause: Dropped::Exited, tag: None, number: Some(number) };
        assert_eq!(seen.take(), [left(1), left(3)]);
        // Who sends to the dead has his message back, and does with it what he likes.
        assert!(process.send(4).is_err());
        assert_eq!(seen.take(), []);
        assert_eq!(process.stats().dropped(Dropped::Exited), 2);
    });
}

// OTP: C15
#[test]
fn the_hook_sees_what_came_through_an_alias_that_had_ended() {
    watched(async |node, seen| {
        let process = node.spawn(async |mut cx: Context<u32>| {
            let alias = cx.alias();
            alias.cast(1);
            cx.unalias(alias.reference());
            let _never = cx.recv().await;
            Ok(())
        });
        settle(&node).await;
        let expected = Seen { to: process.pid(), cause: Dropped::Alias, tag: None, number: Some(1) };
        assert_eq!(seen.take(), [expected]);
        assert_eq!((process.stats().dropped(Dropped::Alias), process.depth()), (1, 0));
    });
}

// OTP: A12
#[test]
fn what_was_sent_before_the_first_start_has_nobody_to_go_to() {
    watched(async |node, seen| {
        let launcher = Launcher::new(|_cx: Context<u32>| Box::pin(std::future::pending())).mailbox(Policy::bounded(1));
        let addr = launcher.addr();
        (1..=2).for_each(|n| addr.cast(n));
        let pid = launcher.prepare(&node).unwrap().pid();
        let refused = seen.take();
        assert_eq!((refused.len(), refused[0].to, refused[0].number), (1, None, Some(2)));
        let birth = Birth { supervision: Some(Arc::new(Again)), ..Birth::default() };
        assert!(launcher.launch(&node, pid, birth));
        addr.kill();
        settle(&node).await;
        assert_eq!(seen.take(), [Seen { to: Some(pid), cause: Dropped::Exited, tag: None, number: Some(1) }]);
    });
}

/// How a hook may misbehave.
fn with_hook(hook: impl Fn(&DeadLetter<'_>) + Send + Sync + 'static, world: impl AsyncFnOnce(Node)) {
    Sim::seed(1).run_with(Node::builder().dead_letters(hook), world);
}

// OTP: A3
#[test]
fn a_hook_that_panics_harms_neither_the_sender_nor_the_dying() {
    let shown = Journal::new();
    let journal = shown.clone();
    let hook = move |letter: &DeadLetter<'_>| {
        journal.note(letter.cause);
        panic!("a hook panics");
    };
    with_hook(hook, async |node: Node| {
        let process =
            node.spawn_with(Policy::bounded(1), async |_cx: Context<u32>| std::future::pending().await).unwrap();
        process.send(1).unwrap();
        let error = process.send(2).unwrap_err();
        assert!(error.message == 2 && matches!(error.why, Refused::Full));
        process.kill();
        assert_eq!(ended(&node, &process).await.to_string(), "killed");
        assert_eq!(shown.take(), [Dropped::Rejected, Dropped::Exited]);
    });
}

// OTP: F9
#[test]
fn a_hook_may_send_and_its_replies_are_its_own() {
    let bin: Arc<Mutex<Option<Addr<String>>>> = Arc::default();
    let to = Arc::clone(&bin);
    let hook = move |letter: &DeadLetter<'_>| {
        if let Some(bin) = &*to.lock() {
            bin.cast(format!("{:?} {}", letter.cause, letter.message_type.contains("Reply")));
        }
    };
    with_hook(hook, async |node: Node| {
        let heard = Journal::new();
        let journal = heard.clone();
        *bin.lock() = Some(node.spawn(async move |mut cx: Context<String>| {
            loop {
                journal.note(cx.recv_message().await);
            }
        }));
        let policy = Policy::bounded(1).drop_oldest();
        let process = node.spawn_with(policy, async |_cx: Context<Reply<()>>| std::future::pending().await).unwrap();
        let (first, second) = (process.request(|reply| reply), process.request(|reply| reply));
        assert_eq!(why(&first.await), "Refused(Full)");
        process.kill();
        assert_eq!(why(&second.await), "exited: killed");
        settle(&node).await;
        assert_eq!(heard.take(), ["Oldest true", "Exited true"]);
        bin.lock().take();
    });
}

// OTP: A12
#[test]
fn a_message_is_shown_before_its_destructor_runs() {
    /// Notes its end.
    struct Mortal(Journal<&'static str>);
    impl Drop for Mortal {
        fn drop(&mut self) {
            self.0.note("destructed");
        }
    }
    let order = Journal::new();
    let journal = order.clone();
    with_hook(
        move |_| journal.note("shown"),
        async |node: Node| {
            let process =
                node.spawn_with(Policy::bounded(1), async |_cx: Context<Mortal>| std::future::pending().await).unwrap();
            process.cast(Mortal(order.clone()));
            process.cast(Mortal(order.clone()));
            assert_eq!(order.take(), ["shown", "destructed"]);
            process.kill();
            ended(&node, &process).await;
            assert_eq!(order.take(), ["shown", "destructed"]);
            let other = idler(&node);
            drop(other);
        },
    );
}

// OTP: A12
#[test]
fn what_a_hook_sends_and_nobody_receives_is_counted_and_not_shown() {
    let bin: Arc<Mutex<Option<Addr<u32>>>> = Arc::default();
    let shown = Journal::new();
    let (to, journal) = (Arc::clone(&bin), shown.clone());
    let hook = move |letter: &DeadLetter<'_>| {
        journal.note((letter.cause, letter.message_type));
        // The bin is full itself, so each letter costs another one.
        let bin = to.lock().clone();
        bin.into_iter().for_each(|bin| bin.cast(7));
    };
    with_hook(hook, async |node: Node| {
        let full = Policy::bounded(1).drop_oldest();
        let waits = async |_cx: Context<u32>| std::future::pending().await;
        *bin.lock() = Some(node.spawn_with(full, waits).unwrap());
        let bin = Arc::clone(&bin);
        let process =
            node.spawn_with(Policy::bounded(1), async |_cx: Context<&str>| std::future::pending().await).unwrap();
        (0..4).for_each(|_| process.cast("x"));
        assert_eq!(shown.take(), [(Dropped::Rejected, "&str"); 3]);
        let bin = bin.lock().take().unwrap();
        assert_eq!((bin.depth(), bin.stats().dropped(Dropped::Oldest)), (1, 2));
    });
}
