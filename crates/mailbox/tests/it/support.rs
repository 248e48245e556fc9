//! A message that counts what it is asked, and a mailbox whose notices travel as signals, as a process drives it.

use freeboard_mailbox::sync::Mutex;
use freeboard_mailbox::{Entry, Event, Exchange, Inbox, Intake, Key, Message, Pattern, Search, Step, Tag};
use freeboard_signal::{Down, Exit, ExitReason, Pid, Ref};
use std::sync::Arc;

/// What a message can be told apart by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    None,
    Int(u64),
    Text(String),
}

/// How often messages were asked for their tag and for their key.
#[derive(Default, Debug)]
pub(crate) struct Asked(Mutex<(usize, usize)>);

impl Asked {
    pub(crate) fn both(&self) -> (usize, usize) {
        *self.0.lock()
    }
}

#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) id: u64,
    pub(crate) tag: u32,
    pub(crate) mark: Mark,
    pub(crate) asked: Arc<Asked>,
}

impl Letter {
    pub(crate) fn new(id: u64, tag: u32, mark: Mark) -> Self {
        Self { id, tag, mark, asked: Arc::default() }
    }
}

impl Message for Letter {
    const TAGS: &'static [&'static str] = &["Zero", "One", "Two"];

    fn tag(&self) -> Tag<Self> {
        self.asked.0.lock().0 += 1;
        Tag::new(self.tag)
    }

    fn key(&self) -> Option<Key<'_>> {
        self.asked.0.lock().1 += 1;
        match &self.mark {
            Mark::None => None,
            Mark::Int(number) => Some((*number).into()),
            Mark::Text(text) => Some(text.as_str().into()),
        }
    }
}

/// A signal: a notice with its identity, or one that leaves nothing.
#[derive(Debug)]
pub(crate) enum Signal {
    Down(u64, u64),
    Exit(u64, u64),
    Nothing,
}

pub(crate) fn monitor(number: u64) -> Ref {
    Ref::new(0, number)
}

pub(crate) fn pid(number: u64) -> Pid {
    Pid::new(0, 1, number)
}

/// Which one an event is: the number it was sent with. Notices carry theirs in the reason.
pub(crate) fn id_of(event: &Event<Letter>) -> u64 {
    let reason = match event {
        Event::Message(letter) => return letter.id,
        Event::Down(down) => &down.reason,
        Event::Exit(exit) => &exit.reason,
        other => panic!("never sent: {other:?}"),
    };
    match reason {
        ExitReason::ShutdownWith(id) => id.parse().expect("the reason is a number"),
        other => panic!("never sent: {other:?}"),
    }
}

/// Both halves of a mailbox.
pub(crate) struct Mailbox {
    pub(crate) intake: Intake<Letter, Signal>,
    pub(crate) inbox: Inbox<Letter, Signal>,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        let intake = Intake::new();
        assert!(intake.open(1));
        Self { intake, inbox: Inbox::new() }
    }

    pub(crate) fn send(&self, letter: Letter) {
        self.intake.push(letter).expect("the intake is open");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.intake.push_signal(1, Box::new(signal)).expect("the incarnation is live");
    }

    /// Exchanges the used-up buffer and applies the signals in it. Answers whether there was anything.
    pub(crate) fn refill(&mut self) -> bool {
        let buffer = self.inbox.spare();
        if self.intake.exchange(buffer, None) == Exchange::Empty {
            return false;
        }
        for entry in buffer.iter_mut() {
            let Entry::Signal(signal) = entry else { continue };
            let because = |id: u64| ExitReason::ShutdownWith(id.to_string().into());
            *entry = match **signal {
                Signal::Down(from, id) => {
                    Entry::Event(Event::Down(Box::new(Down::direct(monitor(from), pid(from), because(id)))))
                }
                Signal::Exit(from, id) => Entry::Event(Event::Exit(Box::new(Exit::new(pid(from), because(id))))),
                Signal::Nothing => Entry::Gone,
            };
        }
        true
    }

    /// A receive that gives up when there is nothing: `after 0`.
    pub(crate) fn receive<P: Pattern<Letter>>(&mut self, mut search: Search<P>) -> Option<u64> {
        loop {
            match self.inbox.step(&mut search, &mut 64) {
                Step::Found(event) => return Some(id_of(&event)),
                Step::Empty if self.refill() => {}
                Step::Empty => return None,
                Step::Pause => {}
            }
        }
    }

    /// Plain receives until nothing is left.
    pub(crate) fn drain(&mut self) -> Vec<u64> {
        let mut ids = Vec::new();
        loop {
            match self.inbox.pop() {
                Some(event) => ids.push(id_of(&event)),
                None if self.refill() => {}
                None => return ids,
            }
        }
    }
}
