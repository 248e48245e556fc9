//! Each rule alone, what is refused as a policy, and code of the message that misbehaves.

use crate::overload::{Alive, Bell, Note, Ruled, Signal, Told, id_of};
use freeboard_mailbox::sync::Mutex;
use freeboard_mailbox::{
    Chunks, Dropped, Entry, Exchange, Inbox, Intake, Key, Message, Notice, Policy, PolicyError, Refused, Tag,
    Undertaker,
};
use freeboard_signal::{ExitReason, Ref};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn buried(ids: impl IntoIterator<Item = u64>, why: Dropped) -> Vec<Told> {
    ids.into_iter().map(|id| Told::Buried(id, why)).collect()
}

#[test]
fn a_full_mailbox_gives_the_message_back() {
    let mut ruled = Ruled::new(Policy::bounded(3));
    ruled.send_many(3);
    assert!(matches!(ruled.send(), Err(Refused::Full)));
    assert_eq!(ruled.list.take(), [Told::Refused(3)]);
    assert_eq!(ruled.receive_any().map(|event| id_of(&event)), Ok(0));
    ruled.send_many(1);
    assert_eq!(ruled.all(), [1, 2, 4]);
    assert_eq!(ruled.intake.stats(|| None).dropped(Dropped::Rejected), 1);
    assert_eq!(ruled.intake.stats(|| None).dropped_in_all(), 0);
}

#[test]
fn the_oldest_goes_when_a_newer_one_finds_no_room() {
    let mut ruled = Ruled::new(Policy::bounded(3).drop_oldest());
    ruled.send_many(10);
    assert_eq!(ruled.list.take(), buried(0..7, Dropped::Oldest));
    assert_eq!(ruled.alive.count(), 3, "dropped at once");
    assert_eq!(ruled.all(), [7, 8, 9]);
}

#[test]
fn what_a_selective_receive_left_is_out_of_a_senders_reach() {
    let mut ruled = Ruled::new(Policy::bounded(3).drop_oldest());
    ruled.send_many(3);
    assert!(matches!(ruled.receive_where(100, 50), Err(Exchange::Empty)));
    ruled.send_many(1);
    assert_eq!(ruled.list.take(), buried([3], Dropped::Newest));
    // With one of them received there is room for one, which the next pushes out.
    assert_eq!(ruled.receive_any().map(|event| id_of(&event)), Ok(0));
    ruled.send_many(2);
    assert_eq!(ruled.list.take(), buried([4], Dropped::Oldest));
    assert_eq!(ruled.all(), [1, 2, 5]);
}

#[test]
fn the_newest_is_dropped_without_its_sender_hearing_of_it() {
    let mut ruled = Ruled::new(Policy::bounded(3).drop_newest());
    ruled.send_many(10);
    assert_eq!(ruled.list.take(), buried(3..10, Dropped::Newest));
    assert_eq!(ruled.all(), [0, 1, 2]);
}

#[test]
fn of_equal_keys_only_the_newest_stays_and_keeps_its_own_place() {
    let mut ruled = Ruled::new(Policy::unbounded().coalesce());
    // Even numbers are of one tag, odd ones of the other.
    for key in [Some(1), Some(1), None, Some(2), None, Some(1), Some(1)] {
        ruled.send_keyed(key).expect("it is unbounded");
    }
    assert_eq!(ruled.list.take(), buried([1, 0], Dropped::Coalesced));
    assert_eq!(ruled.all(), [2, 3, 4, 5, 6]);
    // What was taken out is not replaced.
    for key in [Some(1), Some(1), None] {
        ruled.send_keyed(key).expect("it is unbounded");
    }
    assert!(ruled.receive_where(100, 9).is_ok());
    ruled.send_keyed(Some(1)).expect("it is unbounded");
    ruled.send_keyed(Some(1)).expect("it is unbounded");
    assert_eq!(ruled.list.take(), []);
    assert_eq!(ruled.all(), [7, 8, 10, 11]);
}

#[test]
fn a_message_that_waited_too_long_is_dropped_instead_of_received() {
    let mut ruled = Ruled::new(Policy::bounded(4).expire_after(SECOND));
    ruled.send_many(2);
    ruled.time.pass(600);
    ruled.send_many(2);
    assert!(matches!(ruled.send(), Err(Refused::Full)), "nothing expires in the queue");
    ruled.time.pass(400);
    assert_eq!(ruled.receive_any().map(|event| id_of(&event)), Ok(2));
    let refused = [Told::Refused(4)].into_iter();
    assert!(ruled.list.take().into_iter().eq(refused.chain(buried([0, 1], Dropped::Expired))));
    ruled.send_many(3);
    assert_eq!(ruled.all(), [3, 5, 6, 7]);
}

#[test]
fn each_message_may_have_its_own_deadline_also_one_in_the_past() {
    let mut ruled = Ruled::waiting();
    let time = ruled.time.clone();
    let policy = Policy::unbounded().expire_by(move |note: &Note| note.deadline.map(|deadline| time.at(deadline)));
    ruled.time.pass(1_000);
    ruled.limit(policy).expect("the policy is a good one");
    assert!(ruled.intake.open(1));
    for deadline in [Some(0), Some(2_000), None, Some(1_500)] {
        let mut note = ruled.note(None);
        note.deadline = deadline;
        ruled.intake.push(note).expect("a deadline in the past is no reason to refuse it");
    }
    ruled.time.pass(500);
    assert_eq!(ruled.all(), [1, 2]);
    assert_eq!(ruled.list.take(), buried([0, 3], Dropped::Expired));
}

#[test]
fn an_overloaded_mailbox_sheds_and_a_slow_but_steady_one_does_not() {
    let ms = Duration::from_millis;
    let mut ruled = Ruled::new(Policy::unbounded().shed(ms(5), ms(100)));
    // One in, one out, each 4 ms old.
    for _ in 0..1_000 {
        ruled.send_many(1);
        ruled.time.pass(4);
        assert!(ruled.receive_any().is_ok());
    }
    assert_eq!(ruled.list.take(), []);
    // Two in, one out.
    for _ in 0..1_000 {
        ruled.send_many(2);
        ruled.time.pass(1);
        assert!(ruled.receive_any().is_ok());
    }
    let shed = ruled.list.take().len() as u64;
    assert!((20..200).contains(&shed), "{shed} were shed");
    assert_eq!(ruled.intake.stats(|| None).dropped(Dropped::Shed), shed);
    assert_eq!(ruled.all().len() as u64, 1_000 - shed);
}

// OTP: E13
#[test]
fn signals_timers_and_alias_messages_know_no_bound() {
    let mut ruled = Ruled::new(Policy::bounded(1).drop_oldest().expire_after(SECOND));
    for _ in 0..100 {
        let note = ruled.note(None);
        assert!(ruled.intake.push_for(1, note).is_ok());
        assert!(ruled.intake.push_signal(1, Box::new(Signal::Down(7))).is_ok());
        let message = ruled.note(None);
        let aliased = freeboard_mailbox::Aliased { alias: Ruled::alias(true), ahead: false, message };
        assert!(ruled.intake.push_aliased(1, Box::new(aliased)).is_ok());
    }
    ruled.send_many(2);
    ruled.time.pass(2_000);
    assert_eq!(ruled.list.take(), buried([200], Dropped::Oldest));
    assert!(ruled.all().into_iter().eq((0..100).flat_map(|n| [2 * n, 7, 2 * n + 1])));
    assert_eq!(ruled.list.take(), buried([201], Dropped::Expired));
}

#[test]
fn a_notice_that_was_walked_can_be_flushed_from_a_policed_queue() {
    let mut ruled = Ruled::new(Policy::bounded(9));
    ruled.send_many(1);
    for monitor in [1, 2] {
        assert!(ruled.intake.push_signal(1, Box::new(Signal::Down(monitor))).is_ok());
    }
    assert!(ruled.intake.has_signals() && !ruled.intake.flush(Notice::Down(Ref::new(0, 1))), "not walked yet");
    ruled.walk();
    assert!(!ruled.intake.has_signals());
    assert!(ruled.intake.flush(Notice::Down(Ref::new(0, 1))) && !ruled.intake.flush(Notice::Down(Ref::new(0, 1))));
    assert_eq!(ruled.all(), [0, 2]);
    assert!(!ruled.intake.flush(Notice::Down(Ref::new(0, 2))));
}

#[test]
fn what_a_receiver_gives_back_is_the_first_that_is_left_over() {
    let mut ruled = Ruled::new(Policy::bounded(3));
    ruled.send_many(2);
    assert!(ruled.receive_where(9, 8).is_err());
    ruled.send_many(1);
    assert!(ruled.intake.give_back(1, std::mem::take(&mut ruled.inbox)).is_none());
    assert!(matches!(ruled.send(), Err(Refused::Full)), "it counts as held");
    let mut left = ruled.intake.close(None);
    let ids = std::iter::from_fn(|| left.take_next()).map(|entry| match entry {
        Entry::Event(event) => id_of(&event),
        _ => panic!("only messages were sent"),
    });
    assert!(ids.eq([0, 1, 2]));
    assert!(ruled.intake.give_back(1, Inbox::new()).is_some(), "that incarnation is over");
}

#[test]
fn a_receiver_elsewhere_leaves_a_signal_to_the_task_and_wakes_it() {
    let mut ruled = Ruled::new(Policy::bounded(3));
    let (task, own) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    ruled.intake.register_task(&Waker::from(Arc::clone(&task)));
    assert!(ruled.intake.push_signal(1, Box::new(Signal::Down(7))).is_ok());
    ruled.send_many(1);
    assert_eq!(task.rung(), 1);
    let own_waker = Waker::from(Arc::clone(&own));
    let exchange = |ruled: &mut Ruled| ruled.intake.exchange_walked(1, ruled.inbox.spare(), Some(&own_waker));
    assert_eq!(exchange(&mut ruled), Exchange::Unwalked);
    assert_eq!((task.rung(), own.rung()), (2, 0));
    ruled.walk();
    assert_eq!(own.rung(), 1, "there is something for it now");
    assert_eq!(exchange(&mut ruled), Exchange::Fresh(0));
    assert_eq!(ruled.inbox.pop().map(|event| id_of(&event)), Some(7));
}

#[test]
fn the_high_water_mark_is_told_once_until_the_queue_was_worked_off() {
    // One of the first kind and one of the second.
    for policy in [Policy::unbounded().high_water(4), Policy::bounded(100).high_water(4)] {
        let mut ruled = Ruled::new(policy);
        ruled.send_many(10);
        assert_eq!(ruled.list.take(), [Told::HighWater(4)]);
        assert_eq!(ruled.all().len(), 10);
        ruled.send_many(3);
        assert_eq!(ruled.list.take(), []);
        ruled.send_many(1);
        assert_eq!(ruled.list.take(), [Told::HighWater(4)]);
    }
}

#[test]
fn what_waits_for_the_first_start_is_judged_when_the_policy_comes() {
    let mut ruled = Ruled::waiting();
    ruled.send_many(5);
    ruled.limit(Policy::bounded(2).drop_oldest()).expect("nothing was started");
    assert_eq!(ruled.list.take(), buried(0..3, Dropped::Oldest));
    assert_eq!((ruled.intake.depth(), ruled.intake.marker()), (2, 5));
    ruled.send_many(1);
    assert!(ruled.intake.open(1));
    assert_eq!(ruled.all(), [4, 5]);

    let mut ruled = Ruled::waiting();
    ruled.send_many(3);
    ruled.limit(Policy::bounded(2)).expect("nothing was started");
    assert_eq!(ruled.list.take(), buried([2], Dropped::Newest));
    assert!(ruled.intake.open(1));
    assert_eq!(ruled.all(), [0, 1]);
}

#[test]
fn a_policy_that_makes_no_sense_is_refused_and_changes_nothing() {
    let none = Duration::ZERO;
    let bad = [
        (Policy::bounded(0), PolicyError::NoCapacity),
        (Policy::unbounded().drop_oldest(), PolicyError::NoBound),
        (Policy::unbounded().drop_newest(), PolicyError::NoBound),
        (Policy::unbounded().expire_after(none), PolicyError::NoLifetime),
        (Policy::unbounded().shed(none, SECOND), PolicyError::NoTarget),
        (Policy::unbounded().shed(SECOND, none), PolicyError::ShortInterval),
        (Policy::unbounded().high_water(0), PolicyError::NoHighWater),
    ];
    let mut ruled = Ruled::waiting();
    ruled.send_many(1);
    for (policy, error) in bad {
        assert_eq!(ruled.limit(policy), Err(error));
        assert!(!ruled.intake.is_policed());
    }
    assert_eq!(ruled.limit(Policy::bounded(1)), Ok(()));
    assert_eq!(ruled.limit(Policy::bounded(2)), Err(PolicyError::Limited));
    assert!(ruled.intake.open(1));
    assert_eq!(ruled.limit(Policy::bounded(2)), Err(PolicyError::Started));
    assert_eq!(ruled.all(), [0]);
}

#[test]
fn a_policy_that_comes_too_late_leaves_what_is_queued() {
    let mut ruled = Ruled::waiting();
    assert!(ruled.intake.open(1));
    ruled.send_many(3);
    assert_eq!(ruled.limit(Policy::bounded(1)), Err(PolicyError::Started));
    assert_eq!(ruled.all(), [0, 1, 2]);
    drop(ruled.intake.close(Some(ExitReason::Normal)));
    assert_eq!(ruled.limit(Policy::bounded(1)), Err(PolicyError::Started));
}

#[test]
fn of_two_policies_that_come_at_once_one_is_refused_and_nothing_is_lost() {
    let mut ruled = Ruled::waiting();
    ruled.send_many(3);
    let intake = Arc::new(std::mem::take(&mut ruled.intake));
    let (same, time, results) = (Arc::clone(&intake), ruled.time.clone(), Arc::new(Mutex::new(Vec::new())));
    // The second comes while the first asks the messages that are queued for their deadlines.
    let second = Arc::clone(&results);
    let first = Policy::unbounded().expire_by(move |_: &Note| {
        let time = time.clone();
        second.lock().push(same.limit(Policy::bounded(10), move || time.now()));
        None
    });
    let time = ruled.time.clone();
    let result = intake.limit(first, move || time.now());
    assert!(intake.open(1));
    let mut inbox = Inbox::new();
    let mut received = 0;
    while matches!(intake.exchange(inbox.spare(), None), Exchange::Fresh(_)) {
        received += std::iter::from_fn(|| inbox.pop()).count();
    }
    assert_eq!(received, 3);
    let accepted = results.lock().iter().chain([&result]).filter(|result| result.is_ok()).count();
    assert_eq!(accepted, 1);
}

#[test]
fn a_start_while_a_policy_is_put_in_force_loses_neither_a_message_nor_a_wake() {
    let mut ruled = Ruled::waiting();
    ruled.send_many(3);
    let intake = Arc::new(std::mem::take(&mut ruled.intake));
    let (same, bell) = (Arc::clone(&intake), Arc::new(Bell::default()));
    let waker = Waker::from(Arc::clone(&bell));
    // The first message is asked for its deadline when the process starts, and finds nothing.
    let policy = Policy::unbounded().expire_by(move |_: &Note| {
        if same.open(1) {
            assert_eq!(same.exchange(&mut Chunks::default(), Some(&waker)), Exchange::Empty);
        }
        None
    });
    let time = ruled.time.clone();
    assert_eq!(intake.limit(policy, move || time.now()), Err(PolicyError::Started));
    assert_eq!(bell.rung(), 1);
    let mut inbox = Inbox::new();
    assert_eq!(intake.exchange(inbox.spare(), None), Exchange::Fresh(0));
    assert_eq!(std::iter::from_fn(|| inbox.pop()).count(), 3);
}

#[test]
fn dropped_messages_are_counted_by_cause_and_tag() {
    let mut ruled = Ruled::new(Policy::bounded(2).drop_oldest().count_tags());
    ruled.send_many(7);
    let of = |tag| ruled.intake.dropped_of(tag, Dropped::Oldest);
    assert_eq!((of(0), of(1), of(2)), (3, 2, 0));
    assert_eq!(ruled.intake.dropped_of(0, Dropped::Newest), 0);
    let stats = ruled.intake.stats(|| None);
    assert_eq!((stats.dropped(Dropped::Oldest), stats.dropped_in_all(), stats.depth), (5, 5, 2));
}

/// A message all of whose code panics, as asked.
struct Bomb {
    in_key: bool,
    in_tag: bool,
    in_drop: bool,
    note: Option<Note>,
}

impl Bomb {
    fn new(alive: &Alive, id: u64) -> Self {
        Self { in_key: false, in_tag: false, in_drop: false, note: Some(Note::new(id, None, alive)) }
    }
}

impl Message for Bomb {
    const TAGS: &'static [&'static str] = &["Bomb"];

    fn tag(&self) -> Tag<Self> {
        assert!(!self.in_tag, "a tag that panics");
        Tag::new(0)
    }

    fn key(&self) -> Option<Key<'_>> {
        assert!(!self.in_key, "a key that panics");
        Some(Key::Int(1))
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        drop(self.note.take());
        assert!(!self.in_drop, "a destructor that panics");
    }
}

#[test]
fn a_key_tag_or_deadline_that_panics_leaves_its_message_outside_of_that_rule() {
    let intake: Intake<Bomb, ()> = Intake::new();
    let policy = Policy::bounded(9).coalesce().expire_by(|_: &Bomb| panic!("a deadline that panics"));
    let time = crate::overload::Time::new();
    intake.limit(policy, move || time.now()).expect("the policy is a good one");
    let alive = Alive::default();
    for n in 0..3 {
        let mut bomb = Bomb::new(&alive, n);
        (bomb.in_key, bomb.in_tag) = (n == 0, n == 1);
        assert!(intake.push(bomb).is_ok());
    }
    assert!(intake.push(Bomb::new(&alive, 3)).is_ok());
    // Only the two good ones were coalesced.
    assert_eq!((intake.depth(), alive.count()), (3, 3));
    assert_eq!(intake.dropped_of(0, Dropped::Coalesced), 1);
}

#[test]
fn a_destructor_or_an_undertaker_that_panics_reaches_nobody_and_is_counted() {
    struct Clumsy;
    impl Undertaker<Bomb> for Clumsy {
        fn bury(&self, _: Bomb, _: Dropped, _: Option<u32>) {
            panic!("an undertaker that panics");
        }
        fn refused(&self, _: &Bomb, _: &Refused, _: Option<u32>) {
            panic!("an undertaker that panics");
        }
        fn high_water(&self, _: usize) {
            panic!("an undertaker that panics");
        }
    }
    for clumsy in [false, true] {
        let intake: Intake<Bomb, ()> = Intake::new();
        let time = crate::overload::Time::new();
        intake
            .limit(Policy::bounded(2).drop_oldest().high_water(1), move || time.now())
            .expect("the policy is a good one");
        if clumsy {
            assert!(intake.set_undertaker(Box::new(Clumsy)) && !intake.set_undertaker(Box::new(Clumsy)));
        }
        let alive = Alive::default();
        for n in 0..5 {
            let mut bomb = Bomb::new(&alive, n);
            bomb.in_drop = !clumsy;
            assert!(intake.push(bomb).is_ok());
        }
        assert_eq!((alive.count(), intake.depth()), (2, 2));
        assert_eq!(intake.stats(|| None).dropped(Dropped::Oldest), 3);
        let mut left = intake.close(Some(ExitReason::Normal));
        while let Some(freeboard_mailbox::Entry::Event(event)) = left.take_next() {
            intake.bury(event.message().expect("nobody sent a signal"), Dropped::Exited);
        }
        assert_eq!((alive.count(), intake.stats(|| None).dropped(Dropped::Exited)), (0, 2));
        let refused = intake.push(Bomb::new(&alive, 5)).expect_err("the seat is closed");
        assert!(matches!(refused.why, Refused::Closed(_)));
    }
}

#[test]
fn every_refusal_and_error_says_what_to_do() {
    let errors = [
        PolicyError::NoCapacity,
        PolicyError::NoBound,
        PolicyError::NoLifetime,
        PolicyError::NoTarget,
        PolicyError::ShortInterval,
        PolicyError::NoHighWater,
        PolicyError::Started,
        PolicyError::Limited,
    ];
    let refusals = Dropped::ALL.into_iter().filter_map(Dropped::refused).chain([Refused::Draining]);
    let texts = errors.iter().map(ToString::to_string).chain(refusals.map(|refused| refused.to_string()));
    assert!(texts.into_iter().all(|text| text.contains(';')), "what is wrong; what to do");
}
