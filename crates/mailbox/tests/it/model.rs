//! The mailbox as its documentation tells it: lists in the order of reception, scanned from their heads.
//!
//! It knows nothing of indexes, budgets or slices, and shares no code with the mailbox.

use crate::support::{Letter, Mark, alias, monitor, pid};
use freeboard_mailbox::{Hint, Key, LANE_SHARE, NOTICE_SHARE, Tag};
use std::collections::VecDeque;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Letter(u32, Mark),
    /// Through this alias.
    Aliased(u64, u32, Mark),
    Down(u64),
    Downs(u64),
    /// Of an exit signal that somebody sent.
    Exit(u64),
    /// Over a link.
    LinkExit(u64),
    Nothing,
}

#[derive(Clone, Debug)]
pub(crate) enum Want {
    AnyMessage,
    MessageWhere(u64),
    EventWhere(u64),
    Down(u64),
    Alias(u64),
    Tag(u32),
    Key(u32, Mark),
    AnyOf([Clause; 3]),
}

/// What an event must be under for a clause to be asked, and the guard.
#[derive(Clone, Debug)]
pub(crate) struct Clause {
    pub(crate) under: Under,
    /// Takes those whose number leaves 1 when it is divided by this; 1 takes all.
    pub(crate) guard: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Under {
    Tag(u32),
    Key(u32, Mark),
    Down(u64),
    Exit(u64),
    Alias(u64),
}

/// Something in the mailbox. Numbers rise in the order in which things came, over lane and queue.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) id: u64,
    pub(crate) what: What,
}

impl What {
    pub(crate) fn is_message(&self) -> bool {
        matches!(self, Self::Letter(..) | Self::Aliased(..))
    }

    fn is_death_notice(&self) -> bool {
        matches!(self, Self::Down(_) | Self::Downs(_) | Self::LinkExit(_))
    }

    fn letter(&self) -> Option<(u32, &Mark)> {
        match self {
            Self::Letter(tag, mark) | Self::Aliased(_, tag, mark) => Some((*tag, mark)),
            _ => None,
        }
    }

    fn came_through(&self, wanted: u64) -> bool {
        matches!(self, Self::Aliased(alias, ..) if *alias == wanted)
    }
}

impl Want {
    pub(crate) fn takes(&self, item: &Item) -> bool {
        let Item { id, what } = item;
        match self {
            Self::AnyMessage => what.is_message(),
            Self::MessageWhere(n) => what.is_message() && id % n == 1,
            Self::EventWhere(n) => id % n == 1,
            Self::Down(wanted) => *what == What::Down(*wanted),
            Self::Alias(wanted) => what.came_through(*wanted),
            Self::Tag(wanted) => what.letter().is_some_and(|(tag, _)| tag == *wanted),
            Self::Key(wanted, mark) => what.letter() == Some((*wanted, mark)),
            Self::AnyOf(clauses) => clauses.iter().any(|clause| clause.takes(item)),
        }
    }

    /// Whether it asks messages for their tag or key.
    pub(crate) fn asks(&self) -> bool {
        matches!(self, Self::Tag(_) | Self::Key(..) | Self::AnyOf(_))
    }
}

impl Clause {
    fn names(&self, what: &What) -> bool {
        match &self.under {
            Under::Tag(wanted) => what.letter().is_some_and(|(tag, _)| tag == *wanted),
            Under::Key(wanted, mark) => what.letter() == Some((*wanted, mark)),
            Under::Down(wanted) => *what == What::Down(*wanted),
            Under::Exit(wanted) => *what == What::Exit(*wanted) || *what == What::LinkExit(*wanted),
            Under::Alias(wanted) => what.came_through(*wanted),
        }
    }

    pub(crate) fn takes(&self, item: &Item) -> bool {
        self.names(&item.what) && self.guards(item.id)
    }

    pub(crate) fn guards(&self, id: u64) -> bool {
        id % self.guard == 1 % self.guard
    }

    pub(crate) fn hint(&self) -> Hint<'_, Letter> {
        match &self.under {
            Under::Tag(tag) => Hint::Tag(Tag::new(*tag)),
            Under::Key(tag, mark) => Hint::Key(Tag::new(*tag), key_of(mark)),
            Under::Down(from) => Hint::Down(monitor(*from)),
            Under::Exit(from) => Hint::Exit(pid(*from)),
            Under::Alias(through) => Hint::Alias(alias(*through)),
        }
    }
}

pub(crate) fn key_of(mark: &Mark) -> Key<'_> {
    match mark {
        Mark::Int(n) => (*n).into(),
        Mark::Text(text) => text.as_str().into(),
        Mark::None => panic!("filtered out where it is made"),
    }
}

/// What must be in the mailbox.
#[derive(Debug)]
pub(crate) struct Model {
    /// In the intake.
    pub(crate) there: VecDeque<Item>,
    /// In the inbox, ahead of the others.
    pub(crate) lane: VecDeque<Item>,
    /// In the inbox.
    pub(crate) here: VecDeque<Item>,
    /// Priority entries handed out since the last ordinary one.
    in_a_row: u32,
    /// Messages handed out since the last death notice.
    since_notice: u32,
}

impl Model {
    pub(crate) fn new() -> Self {
        let (there, lane, here) = Default::default();
        Self { there, lane, here, in_a_row: 0, since_notice: NOTICE_SHARE }
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.lane.iter().chain(&self.here)
    }

    fn lane_goes_first(&self) -> bool {
        !self.lane.is_empty() && self.in_a_row < LANE_SHARE
    }

    pub(crate) fn lane_gives_way(&self) -> bool {
        !self.lane.is_empty() && self.in_a_row >= LANE_SHARE
    }

    /// A plain receive, which does not know what the intake holds.
    pub(crate) fn pop(&mut self) -> Option<Item> {
        if self.lane_goes_first() {
            return self.take_ahead(0);
        }
        let next = match self.here.front() {
            Some(oldest) if oldest.what.is_death_notice() && self.since_notice < NOTICE_SHARE => {
                self.here.iter().position(|item| !item.what.is_death_notice())
            }
            Some(_) => Some(0),
            None => None,
        };
        match next {
            Some(place) => self.hand_out(place),
            // Notices that are held back have their turn like any other.
            None if self.lane_gives_way() && !self.here.is_empty() => self.hand_out(0),
            None => self.take_ahead(0),
        }
    }

    /// The oldest notice, if notices are all that is here.
    pub(crate) fn pop_notice(&mut self) -> Option<Item> {
        let only_notices = self.here.iter().all(|item| item.what.is_death_notice());
        if only_notices { self.hand_out(0) } else { None }
    }

    fn hand_out(&mut self, place: usize) -> Option<Item> {
        let item = self.here.remove(place)?;
        self.since_notice = if item.what.is_death_notice() { 0 } else { self.since_notice + 1 };
        self.in_a_row = 0;
        Some(item)
    }

    fn take_ahead(&mut self, place: usize) -> Option<Item> {
        let item = self.lane.remove(place)?;
        self.in_a_row = if self.in_a_row < LANE_SHARE { self.in_a_row + 1 } else { 1 };
        Some(item)
    }

    /// A selective receive of what has at least this number.
    pub(crate) fn scan(&mut self, want: &Want, since: u64) -> Option<Item> {
        let takes = |item: &Item| item.id >= since && want.takes(item);
        let ahead = self.lane.iter().position(takes);
        let ordinary = self.here.iter().position(takes);
        match (ahead, ordinary) {
            (Some(place), None) => self.take_ahead(place),
            (Some(place), Some(_)) if self.lane_goes_first() => self.take_ahead(place),
            (_, Some(place)) => {
                let item = self.here.remove(place)?;
                self.since_notice += u32::from(item.what.is_message());
                self.in_a_row = 0;
                Some(item)
            }
            (None, None) => None,
        }
    }

    /// Takes the first of these out of its place, as if it had never come.
    pub(crate) fn flush(&mut self, is_it: impl Fn(&What) -> bool) -> bool {
        for part in [&mut self.lane, &mut self.here] {
            if let Some(place) = part.iter().position(|item| is_it(&item.what)) {
                part.remove(place);
                return true;
            }
        }
        false
    }
}
