//! A mailbox with a policy, a clock that stands still until it is moved, and an undertaker that keeps a list.

use freeboard_mailbox::sync::{AtomicU64, Mutex, Ordering};
use freeboard_mailbox::{
    Dropped, Entry, Event, Exchange, Inbox, Intake, Key, Message, Policy, PolicyError, Refused, Search, Step, Tag,
    Undertaker,
};
use freeboard_signal::{Down, ExitReason, Pid, Ref};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

/// A time in milliseconds that the test moves.
#[derive(Clone)]
pub(crate) struct Time {
    origin: Instant,
    passed: Arc<AtomicU64>,
}

impl Time {
    #[expect(clippy::disallowed_methods, reason = "an Instant can only be made by the real clock; it is read once")]
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now(), passed: Arc::default() }
    }

    pub(crate) fn pass(&self, milliseconds: u64) {
        self.passed.fetch_add(milliseconds, Ordering::Relaxed);
    }

    pub(crate) fn at(&self, milliseconds: u64) -> Instant {
        self.origin + Duration::from_millis(milliseconds)
    }

    pub(crate) fn now(&self) -> Instant {
        self.at(self.passed.load(Ordering::Relaxed))
    }
}

/// How many notes are alive.
#[derive(Clone, Default)]
pub(crate) struct Alive(Arc<AtomicU64>);

impl Alive {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A message.
pub(crate) struct Note {
    pub(crate) id: u64,
    pub(crate) tag: u32,
    pub(crate) key: Option<u64>,
    /// In milliseconds since the clock began.
    pub(crate) deadline: Option<u64>,
    pub(crate) alive: Alive,
}

impl Note {
    pub(crate) fn new(id: u64, key: Option<u64>, alive: &Alive) -> Self {
        alive.0.fetch_add(1, Ordering::Relaxed);
        Self { id, tag: (id % 2) as u32, key, deadline: None, alive: alive.clone() }
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.alive.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Message for Note {
    const TAGS: &'static [&'static str] = &["Even", "Odd"];

    fn tag(&self) -> Tag<Self> {
        Tag::new(self.tag)
    }

    fn key(&self) -> Option<Key<'_>> {
        self.key.map(Key::from)
    }
}

/// What an undertaker was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Buried(u64, Dropped),
    Refused(u64),
    HighWater(usize),
}

#[derive(Clone, Default)]
pub(crate) struct List(Arc<Mutex<Vec<Told>>>);

impl List {
    /// What was told since the last look.
    pub(crate) fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl Undertaker<Note> for List {
    fn bury(&self, note: Note, why: Dropped, _: Option<u32>) {
        self.0.lock().push(Told::Buried(note.id, why));
    }

    fn refused(&self, note: &Note, _: &Refused, _: Option<u32>) {
        self.0.lock().push(Told::Refused(note.id));
    }

    fn high_water(&self, waiting: usize) {
        self.0.lock().push(Told::HighWater(waiting));
    }
}

/// Counts its wakes.
#[derive(Default)]
pub(crate) struct Bell(AtomicU64);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    pub(crate) fn rung(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A signal: it leaves a notice with this number, or nothing.
#[derive(Debug)]
pub(crate) enum Signal {
    Down(u64),
    Nothing,
}

/// Both halves of a mailbox with a policy, driven as a process drives them.
pub(crate) struct Ruled {
    pub(crate) intake: Intake<Note, Signal>,
    pub(crate) inbox: Inbox<Note, Signal>,
    pub(crate) time: Time,
    pub(crate) alive: Alive,
    pub(crate) list: List,
    pub(crate) bell: Arc<Bell>,
    next_id: u64,
}

impl Ruled {
    /// With a live incarnation, number 1.
    pub(crate) fn new(policy: Policy<Note>) -> Self {
        let ruled = Self::waiting();
        ruled.limit(policy).expect("the policy is a good one");
        assert!(ruled.intake.open(1));
        ruled
    }

    /// Not started, and without a policy.
    pub(crate) fn waiting() -> Self {
        let list = List::default();
        let intake = Intake::new();
        assert!(intake.set_undertaker(Box::new(list.clone())));
        let (time, alive, bell) = (Time::new(), Alive::default(), Arc::default());
        Self { intake, inbox: Inbox::new(), time, alive, list, bell, next_id: 0 }
    }

    pub(crate) fn limit(&self, policy: Policy<Note>) -> Result<(), PolicyError> {
        let time = self.time.clone();
        self.intake.limit(policy, move || time.now())
    }

    /// The next note, numbered from 0.
    pub(crate) fn note(&mut self, key: Option<u64>) -> Note {
        self.next_id += 1;
        Note::new(self.next_id - 1, key, &self.alive)
    }

    /// Sends the next note. One that comes back is as it was.
    pub(crate) fn send_keyed(&mut self, key: Option<u64>) -> Result<(), Refused> {
        let note = self.note(key);
        let id = note.id;
        self.intake.push(note).map_err(|refused| {
            assert_eq!((refused.message.id, refused.message.key), (id, key));
            refused.why
        })
    }

    pub(crate) fn send(&mut self) -> Result<(), Refused> {
        self.send_keyed(None)
    }

    /// Sends so many, all of which must be accepted.
    pub(crate) fn send_many(&mut self, count: usize) {
        (0..count).for_each(|_| self.send().expect("the mailbox takes it"));
    }

    /// An alias that is active, or one that is not.
    pub(crate) fn alias(active: bool) -> Ref {
        Ref::new(0, 1 + u64::from(active))
    }

    /// Walks an entry, as the process does. What an alias refuses is buried afterwards.
    fn apply(&self, entry: &mut Entry<Note, Signal>) {
        match entry {
            Entry::Signal(signal) => {
                *entry = match **signal {
                    Signal::Nothing => Entry::Gone,
                    Signal::Down(number) => Entry::Event(Event::Down(Box::new(down(number)))),
                };
            }
            Entry::Aliased(aliased) if aliased.alias == Self::alias(false) => {
                if let Entry::Aliased(refused) = std::mem::replace(entry, Entry::Gone) {
                    self.intake.bury(refused.message, Dropped::Alias);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn walk(&self) {
        if let Some(mut taken) = self.intake.take_fresh() {
            taken.iter_mut().for_each(|entry| self.apply(entry));
            self.intake.stage(taken);
        }
    }

    /// A receive: the oldest note whose number leaves `rest` when divided by `by`. Parks if there is none.
    pub(crate) fn receive_where(&mut self, by: u64, rest: u64) -> Result<Event<Note>, Exchange> {
        let mut search = Search::message_where(move |note: &Note| note.id % by == rest);
        self.receive(|inbox| inbox.step(&mut search, &mut 1_000))
    }

    /// Receives the oldest event, whatever it is: in its exact place, where a plain receive would let messages pass some
    /// notices.
    pub(crate) fn receive_any(&mut self) -> Result<Event<Note>, Exchange> {
        let mut search = Search::event_where(|_| true);
        self.receive(|inbox| inbox.step(&mut search, &mut 1_000))
    }

    fn receive(
        &mut self,
        mut find: impl FnMut(&mut Inbox<Note, Signal>) -> Step<Note>,
    ) -> Result<Event<Note>, Exchange> {
        let received = loop {
            match find(&mut self.inbox) {
                Step::Found(event) => break Ok(event),
                Step::Pause => panic!("the budget is larger than any queue here"),
                Step::Empty => {}
            }
            let mut taken = std::mem::take(self.inbox.spare());
            match self.intake.exchange(&mut taken, Some(&Waker::from(Arc::clone(&self.bell)))) {
                Exchange::Walked | Exchange::Dropped(_) => {}
                Exchange::Fresh(_) => taken.iter_mut().for_each(|entry| self.apply(entry)),
                nothing => break Err(nothing),
            }
            *self.inbox.spare() = taken;
        };
        self.intake.note_handled(u64::from(matches!(received, Ok(Event::Message(_)))));
        self.intake.settle(self.inbox.len());
        received
    }

    /// Plain receives until nothing is left: the numbers of the notes.
    pub(crate) fn all(&mut self) -> Vec<u64> {
        std::iter::from_fn(|| self.receive_any().ok()).map(|event| id_of(&event)).collect()
    }
}

/// The number of a note, or of a notice.
pub(crate) fn id_of(event: &Event<Note>) -> u64 {
    match event {
        Event::Message(note) => note.id,
        Event::Down(down) => down.monitor.number(),
        other => panic!("never sent: {other:?}"),
    }
}

fn down(number: u64) -> Down {
    Down::direct(Ref::new(0, number), Pid::new(0, 1, 1), ExitReason::Normal)
}
