//! A message that counts what it is asked, and a mailbox whose notices travel as signals, as a process drives it.

use freeboard_mailbox::sync::Mutex;
use freeboard_mailbox::{Aliased, Entry, Event, Exchange, Inbox, Intake, Key, Message, Pattern, Search, Step, Tag};
use freeboard_signal::{Down, Downs, Exit, ExitReason, Pid, Ref};
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
    Downs(u64, u64),
    Exit(u64, u64),
    LinkExit(u64, u64),
    Nothing,
}

impl Signal {
    /// What it leaves in the queue.
    pub(crate) fn applied(&self) -> Entry<Letter, Self> {
        let because = |id: u64| ExitReason::ShutdownWith(id.to_string().into());
        let down = |from, id| Down::direct(monitor(from), pid(from), because(id));
        Entry::Event(match *self {
            Self::Down(from, id) => Event::Down(Box::new(down(from, id))),
            Self::Downs(from, id) => Event::Downs(Box::new(Downs::from(vec![down(from, id), down(from, id)]))),
            Self::Exit(from, id) => Event::Exit(Box::new(Exit::new(pid(from), because(id)))),
            Self::LinkExit(from, id) => Event::Exit(Box::new(Exit::of_link(pid(from), because(id)))),
            Self::Nothing => return Entry::Gone,
        })
    }
}

pub(crate) fn monitor(number: u64) -> Ref {
    Ref::new(0, number)
}

/// Not one of the monitors.
pub(crate) fn alias(number: u64) -> Ref {
    Ref::new(1, number)
}

pub(crate) fn pid(number: u64) -> Pid {
    Pid::new(0, 1, number)
}

/// Which one an event is: the number it was sent with. Notices carry theirs in the reason.
pub(crate) fn id_of(event: &Event<Letter>) -> u64 {
    let reason = match event {
        Event::Message(letter) => return letter.id,
        Event::Down(down) => down.reason.clone(),
        Event::Downs(downs) => downs.as_ref().clone().into_iter().next().expect("there are two").reason,
        Event::Exit(exit) => exit.reason.clone(),
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

    pub(crate) fn send_through(&self, through: u64, message: Letter) {
        let aliased = Aliased { alias: alias(through), ahead: false, message };
        self.intake.push_aliased(1, Box::new(aliased)).expect("the incarnation is live");
    }

    /// Exchanges the used-up buffer and applies the signals in it. Answers whether there was anything.
    pub(crate) fn refill(&mut self) -> bool {
        let buffer = self.inbox.spare();
        if self.intake.exchange(buffer, None) == Exchange::Empty {
            return false;
        }
        for entry in buffer.iter_mut() {
            if let Entry::Signal(signal) = entry {
                *entry = signal.applied();
            }
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

    /// A plain receive, as a process makes it.
    pub(crate) fn pop(&mut self) -> Option<u64> {
        if self.inbox.wants_refill() {
            self.refill();
        }
        let event = loop {
            match self.inbox.pop() {
                None if self.refill() => {}
                found => break found.or_else(|| self.inbox.pop_notice()),
            }
        };
        event.as_ref().map(id_of)
    }

    /// Plain receives until nothing is left.
    pub(crate) fn drain(&mut self) -> Vec<u64> {
        std::iter::from_fn(|| self.pop()).collect()
    }
}
