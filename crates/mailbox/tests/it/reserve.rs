//! Permits, waiting for room, and a mailbox that drains.

use crate::overload::{Bell, Ruled, id_of};
use freeboard_mailbox::{Dropped, Exchange, Policy, Refused, Ticket};
use freeboard_signal::ExitReason;
use std::sync::Arc;
use std::task::{Poll, Waker};

fn poll(ruled: &Ruled, ticket: &mut Ticket, bell: &Arc<Bell>) -> Poll<Result<(), Refused>> {
    ruled.intake.poll_room(ticket, &Waker::from(Arc::clone(bell)))
}

/// A sender that waits.
fn wait(ruled: &Ruled) -> (Ticket, Arc<Bell>) {
    let (mut ticket, bell) = (Ticket::new(), Arc::default());
    assert!(poll(ruled, &mut ticket, &bell).is_pending());
    (ticket, bell)
}

#[test]
fn a_permit_holds_room_and_no_place() {
    let mut ruled = Ruled::new(Policy::bounded(2));
    ruled.intake.try_reserve().expect("there is room");
    ruled.send_many(1);
    assert!(matches!(ruled.send(), Err(Refused::Full)), "the other place is reserved");
    let permitted = ruled.note(None);
    ruled.intake.push_reserved(permitted).expect("there is a permit");
    assert!(matches!(ruled.intake.try_reserve(), Err(Refused::Full)));
    assert_eq!(ruled.all(), [0, 2], "it stands where it was sent");
}

#[test]
fn room_goes_to_who_waited_longest_before_any_send() {
    let mut ruled = Ruled::new(Policy::bounded(1));
    ruled.send_many(1);
    let mut senders = [0; 3].map(|_| wait(&ruled));
    for number in 0..3 {
        assert!(ruled.receive_any().is_ok());
        assert_eq!(senders.each_ref().map(|(_, bell)| bell.rung()), [0, 1, 2].map(|n| u64::from(n <= number)));
        assert!(matches!(ruled.send(), Err(Refused::Full)));
        let (ticket, bell) = &mut senders[number];
        assert!(poll(&ruled, ticket, bell).is_ready() && !ticket.is_waiting());
        let note = ruled.note(None);
        ruled.intake.push_reserved(note).expect("there is a permit");
    }
    assert_eq!(ruled.all(), [6]);
}

#[test]
fn a_wait_that_is_given_up_passes_its_room_on() {
    let mut ruled = Ruled::new(Policy::bounded(1));
    ruled.send_many(1);
    let (mut first, bell) = wait(&ruled);
    let (mut second, mut third) = (wait(&ruled), wait(&ruled));
    ruled.intake.leave(&mut second.0);
    assert!(ruled.receive_any().is_ok());
    assert_eq!((bell.rung(), third.1.rung()), (1, 0));
    ruled.intake.leave(&mut first);
    assert_eq!((second.1.rung(), third.1.rung()), (0, 1));
    assert!(poll(&ruled, &mut third.0, &third.1).is_ready());
    ruled.intake.give_up_room();
    ruled.send_many(1);
    ruled.intake.leave(&mut first);
}

#[test]
fn a_sender_that_waits_is_told_of_the_end_and_of_a_vacant_seat() {
    let mut ruled = Ruled::new(Policy::bounded(1));
    for for_good in [None, Some(ExitReason::Shutdown)] {
        ruled.send_many(1);
        let (mut ticket, bell) = wait(&ruled);
        let is_final = for_good.is_some();
        let mut left = ruled.intake.close(for_good);
        assert!(left.take_next().is_some() && left.take_next().is_none());
        assert_eq!(bell.rung(), 1);
        match poll(&ruled, &mut ticket, &bell) {
            Poll::Ready(Err(Refused::Vacant)) => assert!(!is_final && ruled.intake.open(2)),
            Poll::Ready(Err(Refused::Closed(ExitReason::Shutdown))) => assert!(is_final),
            other => panic!("{other:?}"),
        }
        assert!(!ticket.is_waiting());
    }
}

#[test]
fn room_granted_before_the_end_of_an_incarnation_is_not_lost_to_the_next() {
    let mut ruled = Ruled::new(Policy::bounded(1));
    ruled.send_many(1);
    let (mut ticket, bell) = wait(&ruled);
    assert!(ruled.receive_any().is_ok());
    drop(ruled.intake.close(None));
    assert_eq!(bell.rung(), 1, "granted, and not fetched");
    assert!(matches!(poll(&ruled, &mut ticket, &bell), Poll::Ready(Err(Refused::Vacant))));
    assert!(!ticket.is_waiting() && ruled.intake.open(2));
    ruled.send_many(1);
}

#[test]
fn a_permit_outlives_a_restart_and_its_message_comes_back_from_a_closed_seat() {
    let mut ruled = Ruled::new(Policy::bounded(2));
    ruled.intake.try_reserve().expect("there is room");
    ruled.intake.try_reserve().expect("there is room");
    drop(ruled.intake.close(None));
    let note = ruled.note(None);
    let refused = ruled.intake.push_reserved(note).expect_err("nobody sits there");
    assert!(matches!(refused.why, Refused::Vacant));
    assert_eq!(refused.message.id, 0);
    assert!(ruled.intake.open(2));
    ruled.send_many(1);
    assert!(matches!(ruled.send(), Err(Refused::Full)), "one permit is out");
    let note = ruled.note(None);
    ruled.intake.push_reserved(note).expect("it is good for the next incarnation");
    assert_eq!(ruled.all(), [1, 3]);
}

#[test]
fn an_unbounded_mailbox_always_has_room() {
    let mut ruled = Ruled::new(Policy::unbounded());
    (0..100).for_each(|_| ruled.intake.try_reserve().expect("it is unbounded"));
    assert!(matches!(poll(&ruled, &mut Ticket::new(), &Arc::default()), Poll::Ready(Ok(()))));
    ruled.send_many(1);
    for _ in 0..101 {
        let note = ruled.note(None);
        ruled.intake.push_reserved(note).expect("there is a permit");
    }
    assert!(ruled.all().into_iter().eq(0..102));
}

#[test]
fn a_mailbox_that_drains_takes_nothing_new_and_hands_out_what_it_has() {
    for policy in [Policy::unbounded(), Policy::bounded(3).drop_oldest()] {
        let mut ruled = Ruled::new(policy);
        ruled.send_many(2);
        ruled.intake.try_reserve().expect("there is room");
        assert!(!ruled.intake.is_draining() && ruled.intake.drain() && ruled.intake.is_draining());
        assert!(matches!(ruled.send(), Err(Refused::Draining)));
        assert!(matches!(ruled.intake.try_reserve(), Err(Refused::Draining)));
        assert_eq!(ruled.intake.stats(|| None).dropped(Dropped::Rejected), 1);
        assert_eq!(ruled.receive_any().map(|event| id_of(&event)), Ok(0));
        assert_eq!(ruled.receive_any().map(|event| id_of(&event)), Ok(1));
        // A permit is out, so a message may still come.
        assert_eq!(ruled.receive_any().map(|event| id_of(&event)), Err(Exchange::Empty));
        assert!(!ruled.intake.is_drained());
        let note = ruled.note(None);
        ruled.intake.push_reserved(note).expect("a permit stays good");
        assert_eq!(ruled.bell.rung(), 1);
        assert_eq!(ruled.receive_any().map(|event| id_of(&event)), Ok(3));
        assert_eq!(ruled.receive_any().map(|event| id_of(&event)), Err(Exchange::Drained));
        assert!(ruled.intake.is_drained());
        drop(ruled.intake.close(None));
        assert!(ruled.intake.open(2));
        ruled.send_many(1);
    }
}

#[test]
fn a_receiver_that_waits_is_woken_when_nothing_can_come_any_more() {
    let mut ruled = Ruled::new(Policy::bounded(3));
    assert_eq!(ruled.receive_any().map(|event| id_of(&event)), Err(Exchange::Empty));
    ruled.intake.try_reserve().expect("there is room");
    assert!(ruled.intake.drain());
    assert_eq!(ruled.bell.rung(), 0, "a permit is out");
    ruled.intake.give_up_room();
    assert_eq!(ruled.bell.rung(), 1);
    assert_eq!(ruled.receive_any().map(|event| id_of(&event)), Err(Exchange::Drained));
    assert!(ruled.intake.drain(), "a second time changes nothing");
}

#[test]
fn who_waits_for_room_when_the_mailbox_begins_to_drain_is_refused_unless_room_was_granted() {
    let mut ruled = Ruled::new(Policy::bounded(1));
    ruled.send_many(1);
    let (mut first, mut second) = (wait(&ruled), wait(&ruled));
    assert!(ruled.receive_any().is_ok());
    assert!(ruled.intake.drain());
    assert_eq!((first.1.rung(), second.1.rung()), (1, 1));
    assert!(matches!(poll(&ruled, &mut first.0, &first.1), Poll::Ready(Ok(()))));
    assert!(matches!(poll(&ruled, &mut second.0, &second.1), Poll::Ready(Err(Refused::Draining))));
    assert!(!ruled.intake.is_drained());
    ruled.intake.give_up_room();
    assert!(ruled.intake.is_drained());
}

#[test]
fn a_closed_or_vacant_seat_does_not_drain() {
    let ruled = Ruled::new(Policy::unbounded());
    drop(ruled.intake.close(None));
    assert!(!ruled.intake.drain() && !ruled.intake.is_draining());
    drop(ruled.intake.close(Some(ExitReason::Normal)));
    assert!(!ruled.intake.drain() && ruled.intake.try_reserve().is_err());
}
