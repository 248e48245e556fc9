//! Models of a mark: a request goes out and its answer comes in, while others send and the process's task walks.
//!
//! Modelled: a receiver outside of its process's task, which leaves signals to that task; the task, which walks what one
//! sender has sent; and who answers, who is asked after the mark was taken. Not modelled: the lane (`lane_placement`).
//! Bound: 3 threads, 2 preemptions, chunks of 2. Invariants: I5 and I6 of `intake.rs`: an entry has one number, whichever
//! way it takes, so nothing that came before the mark is looked at and nothing since is missed (OTP: E8).
//! Executions at last change: 554 in 0.2 s.
#![cfg(freeboard_loom)]

use freeboard_loom_tests::{Drops, Log, Park, Tracked, model};
use freeboard_mailbox::{Entry, Event, Exchange, Inbox, Intake, Search, Step};
use std::{cell::RefCell, sync::Arc};

type Queue = Intake<Tracked<&'static str>, &'static str>;

/// What the process's own task does: there is nothing to receive in these signals.
fn walk(intake: &Queue) {
    if let Some(mut buffer) = intake.take_fresh() {
        for entry in buffer.iter_mut() {
            if let Entry::Signal(_) = entry {
                *entry = Entry::Gone;
            }
        }
        intake.stage(buffer);
    }
}

#[test]
fn an_answer_is_found_and_nothing_from_before_the_question_is_looked_at() {
    let reached = Log::new();
    let outcomes = reached.clone();
    model("marker", move || {
        let drops = Drops::new();
        let (intake, mut inbox, park) = (Arc::new(Queue::new()), Inbox::new(), Park::new());
        assert!(intake.open(1), "a new seat can be opened");
        intake.push(drops.track("old")).expect("the seat is open");
        let others = loom::thread::spawn({
            let (intake, drops) = (Arc::clone(&intake), drops.clone());
            move || {
                intake.push_signal(1, Box::new("a signal")).expect("the incarnation is live");
                walk(&intake);
                intake.push(drops.track("noise")).expect("the seat is open");
            }
        });
        let mark = inbox.marker(intake.marker());
        let answers = loom::thread::spawn({
            let (intake, drops) = (Arc::clone(&intake), drops.clone());
            move || intake.push(drops.track("answer")).expect("the seat is open")
        });
        let seen = RefCell::new(Vec::new());
        let wanted = |message: &Tracked<&'static str>| {
            seen.borrow_mut().push(**message);
            **message == "answer"
        };
        let mut search = Search::message_where(wanted).since(mark);
        loop {
            match inbox.step(&mut search, &mut 100) {
                Step::Found(Event::Message(message)) => break assert_eq!(*message, "answer"),
                Step::Empty => match intake.exchange_walked(1, inbox.spare(), Some(park.waker())) {
                    Exchange::Walked | Exchange::Fresh(0) => {}
                    _ => park.wait(),
                },
                other => panic!("the budget is large enough, and only the answer is wanted: {other:?}"),
            }
        }
        others.join().expect("a sender's assertion failed");
        answers.join().expect("the answerer's assertion failed");
        let seen = seen.into_inner();
        assert!(!seen.contains(&"old"), "it came before the mark");
        outcomes.note(seen);
        // The rest is in its place.
        let mut rest = Vec::new();
        loop {
            match inbox.pop() {
                Some(Event::Message(message)) => rest.push(*message),
                Some(other) => panic!("nobody sent a notice: {other:?}"),
                None if intake.exchange(inbox.spare(), None) == Exchange::Empty => break,
                None => {}
            }
        }
        assert_eq!(rest, ["old", "noise"], "what was not wanted stays in its place");
        assert_eq!(drops.count(), 3, "each message was received once");
    });
    assert!(reached.has(&vec!["answer"]) && reached.has(&vec!["noise", "answer"]), "{:?}", reached.entries());
}
