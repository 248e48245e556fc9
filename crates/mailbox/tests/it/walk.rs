//! What happens at the intake while the process's task walks what it has taken out.

use crate::overload::{Bell, Time};
use freeboard_mailbox::{Entry, Event, Exchange, Intake, Notice, Policy};
use freeboard_signal::{Down, ExitReason, Pid, Ref};
use std::sync::Arc;
use std::task::Waker;

type Queue = Intake<u32, Ref>;

fn down(monitor: Ref) -> Entry<u32, Ref> {
    Entry::Event(Event::Down(Box::new(Down::direct(monitor, Pid::new(0, 1, 1), ExitReason::Normal))))
}

/// A signal that becomes a notice, with a message on either side.
fn with_a_signal(policy: Option<Policy<u32>>, monitor: Ref) -> Queue {
    let intake = Queue::new();
    if let Some(policy) = policy {
        let time = Time::new();
        intake.limit(policy, move || time.now()).expect("the policy is a good one");
    }
    assert!(intake.open(1));
    intake.push(1).expect("it is open");
    intake.push_signal(1, Box::new(monitor)).expect("it is live");
    intake.push(2).expect("it is open");
    intake
}

fn both_kinds() -> [Option<Policy<u32>>; 2] {
    [None, Some(Policy::bounded(100))]
}

/// What a receiver gets from here on: messages by their number, notices as 0.
fn receive(intake: &Queue) -> Vec<u32> {
    let mut inbox = freeboard_mailbox::Inbox::new();
    let mut got = Vec::new();
    loop {
        while let Some(event) = inbox.pop().or_else(|| inbox.pop_notice()) {
            got.push(event.message().unwrap_or(0));
        }
        if !matches!(intake.exchange(inbox.spare(), None), Exchange::Walked | Exchange::Fresh(0)) {
            return got;
        }
    }
}

// OTP: C7
#[test]
fn a_notice_that_is_taken_back_while_it_is_walked_is_not_received() {
    let monitor = Ref::new(0, 7);
    for (policy, ahead) in both_kinds().into_iter().flat_map(|policy| [(policy.clone(), false), (policy, true)]) {
        let intake = with_a_signal(policy, monitor);
        let mut taken = intake.take_fresh().expect("there is a signal");
        assert!(!intake.flush(Notice::Down(monitor)), "it is not there yet");
        for entry in taken.iter_mut().filter(|entry| matches!(entry, Entry::Signal(_))) {
            *entry = if ahead { Entry::Gone } else { down(monitor) };
        }
        if ahead {
            intake.stage_ahead([down(monitor)]);
            assert!(intake.take_ahead().iter().all(|entry| matches!(entry, Entry::Gone)));
        }
        intake.stage(taken);
        assert_eq!(receive(&intake), [1, 2]);
        // A notice of the same name that comes later is another one's affair.
        intake.push_signal(1, Box::new(monitor)).expect("it is live");
        let mut taken = intake.take_fresh().expect("there is a signal");
        taken.iter_mut().for_each(|entry| *entry = down(monitor));
        intake.stage(taken);
        assert_eq!(receive(&intake), [0]);
    }
}

// OTP: D1, D2
#[test]
fn nobody_overtakes_a_walk() {
    for policy in both_kinds() {
        let intake = with_a_signal(policy, Ref::new(0, 7));
        let mut taken = intake.take_fresh().expect("there is a signal");
        intake.push(3).expect("it is open");
        let before = receive(&intake);
        assert!(before.iter().all(|number| *number == 1), "{before:?} is older than what is walked");
        taken.iter_mut().filter(|entry| matches!(entry, Entry::Signal(_))).for_each(|entry| *entry = Entry::Gone);
        intake.stage(taken);
        assert_eq!([before, receive(&intake)].concat(), [1, 2, 3]);
    }
}

// OTP: A8
#[test]
fn a_receiver_of_an_incarnation_that_is_over_takes_nothing_and_waits_for_nothing() {
    for policy in both_kinds() {
        let intake = with_a_signal(policy, Ref::new(0, 7));
        let (old, new) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
        let (old_waker, new_waker) = (Waker::from(Arc::clone(&old)), Waker::from(Arc::clone(&new)));
        let mut inbox = freeboard_mailbox::Inbox::new();
        drop(intake.close(None));
        assert!(intake.open(2));
        intake.register_task(&new_waker);
        intake.push(4).expect("it is open");
        assert_eq!(intake.exchange_walked(1, inbox.spare(), Some(&old_waker)), Exchange::Unwalked);
        assert_eq!(receive(&intake), [4]);
        // Nor does it take the place of the one who waits.
        assert_eq!(intake.exchange(inbox.spare(), Some(&new_waker)), Exchange::Empty);
        assert_eq!(intake.exchange_walked(1, inbox.spare(), Some(&old_waker)), Exchange::Unwalked);
        let before = new.rung();
        intake.push(5).expect("it is open");
        assert!(old.rung() == 0 && new.rung() > before);
        assert_eq!(receive(&intake), [5]);
    }
}

#[test]
fn a_walk_that_never_came_back_does_not_bar_the_next_incarnation() {
    for policy in both_kinds() {
        let intake = with_a_signal(policy, Ref::new(0, 7));
        drop(intake.take_fresh());
        drop(intake.close(None));
        assert!(intake.open(2));
        intake.push(3).expect("it is open");
        assert_eq!(receive(&intake), [3]);
    }
}
