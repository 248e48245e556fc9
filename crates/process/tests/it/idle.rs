//! Idle timeouts of actors: what ends a spell, what does not, and what they cost.

use crate::stepper::Stepper;
use crate::support::{Journal, ended, idler, oops, pause, seeds, settle};
use freeboard_process::{Actor, Addr, Context, Down, Ended, ExitReason, InitError, Node, run_actor};
use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Poll, Wake, Waker},
    time::{Duration, Instant},
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Notes what it is told, with the time since it was started.
struct Sleeper {
    journal: Journal<(&'static str, Duration)>,
    start: Instant,
    /// What it asks for when it was told.
    again: Option<Duration>,
    fails: bool,
}

enum Msg {
    Note(&'static str),
    Then(&'static str),
    Idle(Option<Duration>),
    Again(Duration),
    Watch(Addr<()>),
    Busy(Duration),
    Fail,
}

type Args = (Option<Duration>, Journal<(&'static str, Duration)>);

impl Actor for Sleeper {
    type Msg = Msg;
    type Args = Args;

    async fn init((limit, journal): Args, cx: &mut Context<Msg>) -> Result<Self, InitError> {
        cx.idle_timeout(limit);
        Ok(Self { journal, start: cx.now(), again: None, fails: false })
    }

    async fn handle(&mut self, msg: Msg, cx: &mut Context<Msg>) -> Ended {
        match msg {
            Msg::Note(text) => self.note(text, cx),
            Msg::Then(text) => cx.then(Msg::Note(text)),
            Msg::Idle(limit) => cx.idle_timeout(limit),
            Msg::Again(limit) => self.again = Some(limit),
            Msg::Watch(addr) => drop(cx.monitor(&addr)),
            Msg::Busy(time) => cx.sleep(time).await,
            Msg::Fail => self.fails = true,
        }
        Ok(())
    }

    async fn handle_down(&mut self, _: Down, cx: &mut Context<Msg>) -> Ended {
        self.note("down", cx);
        Ok(())
    }

    async fn handle_timeout(&mut self, cx: &mut Context<Msg>) -> Ended {
        self.note("idle", cx);
        if let Some(limit) = self.again.take() {
            cx.idle_timeout(Some(limit));
        }
        if self.fails { Err(oops("idle")) } else { Ok(()) }
    }

    async fn terminate(&mut self, _: &ExitReason, cx: &mut Context<Msg>) {
        self.note("terminate", cx);
    }
}

impl Sleeper {
    fn note(&self, text: &'static str, cx: &Context<Msg>) {
        self.journal.note((text, cx.now() - self.start));
    }
}

/// A sleeper with that limit, and what it notes.
fn sleeper(node: &Node, limit: impl Into<Option<Duration>>) -> (Addr<Msg>, Journal<(&'static str, Duration)>) {
    let (journal, limit) = (Journal::new(), limit.into());
    let notes = journal.clone();
    (node.spawn(move |cx| run_actor::<Sleeper>(move || (limit, notes), cx)), journal)
}

// OTP: F19
#[test]
fn an_actor_that_hears_nothing_is_told_once_and_a_message_starts_it_afresh() {
    seeds(async |node| {
        let (actor, seen) = sleeper(&node, ms(100));
        for _ in 0..5 {
            pause(&node, ms(60)).await;
            actor.cast(Msg::Note("message"));
        }
        pause(&node, ms(1_000)).await;
        actor.cast(Msg::Note("last"));
        pause(&node, ms(1_000)).await;
        let messages = [60, 120, 180, 240, 300].map(|at| ("message", ms(at)));
        let rest = [("idle", ms(400)), ("last", ms(1_300)), ("idle", ms(1_400))];
        assert_eq!(seen.take(), [&messages[..], &rest].concat());
        actor.kill();
        settle(&node).await;
    });
}

// OTP: F19
#[test]
fn signals_that_are_not_handed_out_do_not_end_a_spell_and_notices_do() {
    seeds(async |node| {
        let (actor, seen) = sleeper(&node, ms(100));
        let watched = idler(&node);
        pause(&node, ms(50)).await;
        actor.cast(Msg::Watch(watched.clone()));
        settle(&node).await;
        // Links, monitors and questions from outside all the while.
        let target = actor.clone();
        let neighbour = node.spawn(async move |mut cx: Context<()>| {
            loop {
                cx.link(&target);
                let monitor = cx.monitor(&target);
                assert_eq!(target.stats().received, 1);
                cx.sleep(ms(7)).await;
                cx.demonitor(monitor);
                cx.unlink(&target);
            }
        });
        pause(&node, ms(120)).await;
        watched.kill();
        pause(&node, ms(200)).await;
        assert_eq!(seen.take(), [("idle", ms(150)), ("down", ms(171)), ("idle", ms(271))]);
        neighbour.kill();
        actor.kill();
        settle(&node).await;
    });
}

// OTP: F19
#[test]
fn the_time_counts_from_when_the_actor_waits() {
    seeds(async |node| {
        let (actor, seen) = sleeper(&node, ms(100));
        settle(&node).await;
        actor.cast(Msg::Busy(ms(500)));
        pause(&node, ms(1_000)).await;
        assert_eq!(seen.take(), [("idle", ms(601))]);
        actor.kill();
        settle(&node).await;
    });
}

// OTP: F20
#[test]
fn a_limit_of_zero_loses_to_what_is_queued_and_is_over_at_once_where_nothing_is() {
    seeds(async |node| {
        let (actor, seen) = sleeper(&node, None);
        settle(&node).await;
        actor.cast(Msg::Idle(Some(ms(0))));
        actor.cast(Msg::Note("one"));
        actor.cast(Msg::Then("two"));
        actor.cast(Msg::Note("three"));
        settle(&node).await;
        actor.cast(Msg::Note("four"));
        settle(&node).await;
        actor.cast(Msg::Idle(None));
        actor.cast(Msg::Note("five"));
        settle(&node).await;
        let texts = seen.take().into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        // Once each time it has nothing left to do, and not again and again.
        assert_eq!(texts, ["one", "two", "three", "idle", "four", "idle", "five"]);
        actor.kill();
        settle(&node).await;
    });
}

// OTP: F20
#[test]
fn an_actor_that_starts_with_zero_is_told_before_anything_came() {
    seeds(async |node| {
        let (actor, seen) = sleeper(&node, ms(0));
        settle(&node).await;
        assert_eq!(seen.take(), [("idle", ms(0))]);
        actor.kill();
        settle(&node).await;
    });
}

// OTP: F19, F20
#[test]
fn a_message_that_is_queued_when_the_time_is_over_wins() {
    let (stepper, node) = Stepper::new();
    let task = stepper.tasks();
    let (actor, seen) = sleeper(&node, ms(100));
    stepper.settle();
    stepper.pass(ms(150));
    actor.cast(Msg::Note("late"));
    stepper.poll(task);
    assert_eq!(seen.take(), [("late", ms(150))]);
    assert!(stepper.run(1_000) < 1_000);
    assert_eq!(seen.take(), [("idle", ms(250))]);
    stepper.finish();
}

// OTP: F19
#[test]
fn it_can_be_changed_ended_and_asked_for_again_by_whoever_is_told() {
    seeds(async |node| {
        let (actor, seen) = sleeper(&node, ms(100));
        actor.cast(Msg::Again(ms(30)));
        pause(&node, ms(500)).await;
        assert_eq!(seen.take(), [("idle", ms(100)), ("idle", ms(130))]);
        actor.cast(Msg::Idle(Some(ms(10))));
        pause(&node, ms(500)).await;
        assert_eq!(seen.take(), [("idle", ms(510))]);
        actor.cast(Msg::Idle(None));
        pause(&node, ms(5_000)).await;
        assert_eq!(seen.take(), []);
        actor.kill();
        settle(&node).await;
    });
}

// OTP: F21
#[test]
fn a_continuation_goes_before_what_is_queued_and_a_keyed_timer_survives_messages() {
    struct Action(Journal<u32>);
    impl Actor for Action {
        type Msg = u32;
        type Args = Journal<u32>;
        async fn init(journal: Journal<u32>, _: &mut Context<u32>) -> Result<Self, InitError> {
            Ok(Self(journal))
        }
        async fn handle(&mut self, msg: u32, cx: &mut Context<u32>) -> Ended {
            self.0.note(msg);
            if msg == 1 {
                cx.then(10);
                cx.set_timer("action", ms(50), 11);
            }
            Ok(())
        }
    }
    seeds(async |node| {
        let seen = Journal::new();
        let notes = seen.clone();
        let actor = node.spawn(move |cx| run_actor::<Action>(move || notes, cx));
        actor.cast(1);
        actor.cast(2);
        pause(&node, ms(40)).await;
        actor.cast(3);
        pause(&node, ms(40)).await;
        assert_eq!(seen.take(), [1, 10, 2, 3, 11]);
        // Nobody implements `handle_timeout` here: it is dropped, and the actor goes on.
        actor.kill();
        settle(&node).await;
    });
}

#[test]
fn without_an_implementation_it_is_dropped_and_its_failure_is_the_actors() {
    struct Deaf;
    impl Actor for Deaf {
        type Msg = ();
        type Args = ();
        async fn init((): (), cx: &mut Context<()>) -> Result<Self, InitError> {
            cx.idle_timeout(Some(ms(10)));
            Ok(Self)
        }
        async fn handle(&mut self, (): (), _: &mut Context<()>) -> Ended {
            Err(oops("told"))
        }
    }
    seeds(async |node| {
        let deaf = node.spawn(|cx| run_actor::<Deaf>(|| (), cx));
        let (failing, seen) = sleeper(&node, ms(10));
        failing.cast(Msg::Fail);
        pause(&node, ms(100)).await;
        assert!(deaf.ended().is_none());
        deaf.cast(());
        assert_eq!(ended(&node, &deaf).await.to_string(), "error: told");
        assert_eq!(failing.ended().unwrap().to_string(), "error: idle");
        assert_eq!(seen.take(), [("idle", ms(10)), ("terminate", ms(10))]);
    });
}

// OTP: F19
#[test]
fn a_busy_actor_sets_no_timer_and_reads_no_clock_for_its_messages() {
    let (stepper, node) = Stepper::new();
    let (actor, _seen) = sleeper(&node, Duration::from_secs(60));
    stepper.settle();
    let (sleeps, _) = stepper.counts();
    for _ in 0..1_000 {
        actor.cast(Msg::Again(ms(1)));
        stepper.settle();
    }
    assert_eq!(stepper.counts().0, sleeps, "a thousand spells, and the timer of the first one");
    let reads = |messages: u32| {
        let (_, before) = stepper.counts();
        (0..messages).for_each(|_| actor.cast(Msg::Again(ms(1))));
        stepper.settle();
        stepper.counts().1 - before
    };
    let few = reads(2);
    assert_eq!(reads(200), few, "as many readings for two hundred messages in one poll");
    actor.kill();
    stepper.settle();
    assert!(!stepper.has_timers(&node), "nothing of it stays with the node's timers");
    stepper.finish();
}

/// Wakes another waker: as a set of futures does that looks only at those of its members that were woken.
struct Member(Waker);

impl Wake for Member {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

// OTP: F19
#[test]
fn an_actor_that_is_polled_with_another_waker_is_told_too() {
    seeds(async |node| {
        let seen = Journal::new();
        let notes = seen.clone();
        let actor = node.spawn(async move |cx: Context<Msg>| {
            let mut actor = pin!(run_actor::<Sleeper>(move || (Some(ms(100)), notes), cx));
            let mut member = None;
            poll_fn(|task| {
                let waker = member.get_or_insert_with(|| Waker::from(Arc::new(Member(task.waker().clone()))));
                match actor.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
                    Poll::Ready(ended) => Poll::Ready(ended),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await
        });
        pause(&node, ms(60)).await;
        actor.cast(Msg::Note("message"));
        pause(&node, ms(500)).await;
        assert_eq!(seen.take(), [("message", ms(60)), ("idle", ms(160))]);
        actor.kill();
        settle(&node).await;
    });
}
