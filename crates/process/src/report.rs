//! The report of a crash: who ended, why, what it was tied to and what waited for it.
//!
//! ```text
//!   step 3 of the exit protocol: begun    step 5: a sample of the queue    before step 6: filed (`reporter.rs`)
//! ```
//!
//! # Invariants
//! * An abnormal end gives one report, an orderly one none (OTP: L1).
//! * Everything in it is bounded: each list by a constant here, each text when it is shown (OTP: L5).
//! * It is put together only if somebody reads it; what is user data in it (the reason) is displayed later, by whoever
//!   emits it, and never by the process that ended.
//! * The state is not in it unless the actor has shown it (OTP: F32, L9).
//!
//! # Not here
//! When and where it is emitted (`reporter.rs`). The messages themselves: they are user data of any type, so a report
//! knows their tags, if the mailbox counts by tags, and their type.

use crate::life::{Life, Rows};
use crate::ties::Ties;
use crate::wire::Peer;
use freeboard_signal::{ExitReason, Pid};
use std::{
    collections::VecDeque,
    fmt::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// How many names, links, and waiting messages a report shows of each.
pub const SHOWN: usize = 16;
/// How many neighbours a report shows (OTP: L2).
pub const NEIGHBOURS: usize = 15;
/// Processes that are looked at to find them.
const LOOKED_AT: usize = 64;
/// The longest reason, in bytes of its text.
pub const REASON_BYTES: usize = 1_024;
/// The longest state.
pub const STATE_BYTES: usize = 4_096;

/// Who is shown the reports of a node.
pub(crate) type CrashHook = Arc<dyn Fn(&CrashReport) + Send + Sync>;

/// What there is to say of a process that ended abnormally (OTP: L1): what the hook of
/// [`NodeBuilder::crash_reports`](crate::NodeBuilder::crash_reports) is given, and the event `process crashed` says.
///
/// Its `Display` is one bounded line.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct CrashReport {
    /// Who ended.
    pub pid: Pid,
    /// What it said it is for ([`Context::set_label`](crate::Context::set_label)).
    pub label: Option<Arc<str>>,
    /// The names that it held, [`SHOWN`](crate::SHOWN) of them at most.
    pub names: Vec<Arc<str>>,
    /// What it ran: the name of the actor's type, or the function that its body is written in. For people: Rust promises
    /// nothing about such names.
    pub initial: &'static str,
    /// The name of its messages' type.
    pub message_type: &'static str,
    /// Who started it, and who started those, the parent first (OTP: L3).
    pub ancestors: Vec<Pid>,
    /// Why it ended. A panic says where, if the node [records it](crate::NodeBuilder::panic_locations).
    pub reason: ExitReason,
    /// Whether it was ended by an exit signal, a link or a kill, and did not fail by itself.
    pub by_signal: bool,
    /// Whether it trapped exits.
    pub trap_exit: bool,
    /// How many messages waited for it.
    pub waiting: usize,
    /// What the first of them were: the names of their tags, if its mailbox [counts by tags](crate::Policy::count_tags), else
    /// of their type. A notice stands among them as `Down` or `Exit`. [`SHOWN`](crate::SHOWN) at most.
    pub sample: Vec<&'static str>,
    /// How much of everything it held.
    pub ties: Ties,
    /// Processes it was linked to, [`SHOWN`](crate::SHOWN) at most.
    pub links: Vec<Pid>,
    /// Processes that are linked to it, or to each other, and trap no exits: those that end with it (OTP: L2).
    /// [`NEIGHBOURS`](crate::NEIGHBOURS) at most.
    pub neighbours: Vec<Neighbour>,
    /// Its state, if it is an actor that shows it ([`Actor::report`](crate::Actor::report)).
    pub state: Option<String>,
}

/// A process that ends with one that has crashed.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Who it is.
    pub pid: Pid,
    /// What it said it is for.
    pub label: Option<Arc<str>>,
    /// The name of its messages' type.
    pub message_type: &'static str,
    /// How many messages wait for it.
    pub waiting: usize,
}

/// What its end took from a process.
pub(crate) struct Estate<'a> {
    pub(crate) reason: &'a ExitReason,
    pub(crate) body: &'static str,
    pub(crate) trap_exit: bool,
    pub(crate) by_signal: bool,
    pub(crate) rows: Option<&'a Rows>,
    pub(crate) ancestors: Option<Arc<Vec<Pid>>>,
    pub(crate) label: Option<Arc<str>>,
    pub(crate) state: Option<String>,
}

impl CrashReport {
    /// Begins the report, while the mailbox is still open and nobody else has been told.
    pub(crate) fn begin(me: &Peer, estate: Estate<'_>) -> Box<Self> {
        let Estate { reason, body, trap_exit, by_signal, rows, ancestors, label, state } = estate;
        let none = Rows::default();
        let rows = rows.unwrap_or(&none);
        Box::new(Self {
            pid: me.pid,
            label,
            names: rows.names.iter().take(SHOWN).cloned().collect(),
            initial: initial(body),
            message_type: me.seat.message_type(),
            ancestors: ancestors.map_or_else(Vec::new, |ancestors| ancestors.to_vec()),
            reason: reason.clone(),
            by_signal,
            trap_exit,
            waiting: me.seat.stats().depth,
            sample: Vec::new(),
            ties: Ties::of(rows),
            links: rows.links.keys().take(SHOWN).copied().collect(),
            neighbours: neighbours(me.pid, rows),
            state,
        })
    }

    /// Where it panicked, if it did and its node records it.
    pub fn location(&self) -> Option<&str> {
        match &self.reason {
            ExitReason::Panic(info) if !info.location.is_empty() => Some(&info.location),
            _ => None,
        }
    }

    /// Emits the event.
    pub(crate) fn emit(&self) {
        if !is_logged() {
            return;
        }
        let (pid, label, initial, message) = (self.pid, self.label.as_deref(), self.initial, self.message_type);
        let (reason, location) = (text_of(&self.reason, REASON_BYTES), self.location());
        let (trap_exit, waiting, state) = (self.trap_exit, self.waiting, self.state.as_deref());
        let (names, ancestors, links) = (&self.names, &self.ancestors, &self.links);
        let (sample, neighbours) = (&self.sample, Neighbours(&self.neighbours));
        let by_signal = self.by_signal;
        tracing::warn!(
            %pid, label, ?names, initial, message, ?ancestors, reason, location, by_signal, trap_exit, waiting, ?sample,
            ?links, ?neighbours, state, "process crashed"
        );
    }
}

/// Whether a subscriber wants the event.
pub(crate) fn is_logged() -> bool {
    tracing::enabled!(tracing::Level::WARN)
}

impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.pid)?;
        if let Some(label) = &self.label {
            write!(f, "({label}) ")?;
        }
        let how = if self.by_signal { "was ended" } else { "crashed" };
        write!(f, "{} {how}: {}", cut(self.initial, REASON_BYTES), text_of(&self.reason, REASON_BYTES))?;
        write!(f, "; {} messages waited", self.waiting)?;
        match &self.state {
            Some(state) => write!(f, "; state: {}", cut(state, STATE_BYTES)),
            None => Ok(()),
        }
    }
}

/// Each in short.
struct Neighbours<'a>(&'a [Neighbour]);

impl fmt::Debug for Neighbours<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |one: &Neighbour| match &one.label {
            Some(label) => format!("{} ({label})", one.pid),
            None => one.pid.to_string(),
        };
        f.debug_list().entries(self.0.iter().map(short)).finish()
    }
}

/// Goes along the links, nearest first. One process's state is locked at a time, for a look.
fn neighbours(me: Pid, rows: &Rows) -> Vec<Neighbour> {
    let mut found = Vec::new();
    let mut looked_at = vec![me];
    let mut to_look_at: VecDeque<Peer> = rows.links.values().take(LOOKED_AT).map(|link| link.peer.clone()).collect();
    while let Some(peer) = to_look_at.pop_front() {
        if found.len() == NEIGHBOURS || looked_at.len() > LOOKED_AT {
            break;
        }
        if looked_at.contains(&peer.pid) {
            continue;
        }
        looked_at.push(peer.pid);
        let Some(mut life) = peer.seat.core().life_of(peer.pid.generation()).filter(|life| !life.trap_exit) else {
            continue;
        };
        let (label, further) = (life.label(), links_of(&mut life));
        drop(life);
        to_look_at.extend(further);
        let (message_type, waiting) = (peer.seat.message_type(), peer.seat.stats().depth);
        found.push(Neighbour { pid: peer.pid, label, message_type, waiting });
    }
    found
}

fn links_of(life: &mut Life) -> Vec<Peer> {
    let links = life.rows_if_any().into_iter().flat_map(|rows| rows.links.values());
    links.take(NEIGHBOURS + 1).map(|link| link.peer.clone()).collect()
}

/// What a body is, told from the name of its type: that of the actor, or the function that it is written in.
fn initial(body: &'static str) -> &'static str {
    const ACTOR: &str = "::run_actor<";
    let Some((_, arguments)) = body.split_once(ACTOR) else { return body.trim_end_matches("::{{closure}}") };
    let mut depth = 0_usize;
    let end = arguments.find(|c| {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' if depth > 0 => depth -= 1,
            ',' | '>' if depth == 0 => return true,
            _ => {}
        }
        false
    });
    &arguments[..end.unwrap_or(arguments.len())]
}

/// At most so many bytes of a text, and a mark if that is not all.
pub(crate) fn cut(text: &str, bytes: usize) -> String {
    text_of(&text, bytes)
}

/// The same of whatever can be displayed. Its code is the user's: it is stopped when there is enough, and may panic.
fn text_of(what: &dyn fmt::Display, bytes: usize) -> String {
    let mut room = Room { text: String::new(), bytes };
    let shown = catch_unwind(AssertUnwindSafe(|| write!(room, "{what}")));
    let Room { mut text, .. } = room;
    match shown {
        Ok(Ok(())) => {}
        Ok(Err(_)) => text.push('…'),
        Err(payload) => {
            crate::task::quietly(|| drop(payload));
            text.push_str("… (its Display panics)");
        }
    }
    text
}

/// A text with an end.
struct Room {
    text: String,
    bytes: usize,
}

/// A mark takes so many.
const MARK: usize = '…'.len_utf8();

impl Write for Room {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if self.text.len() + more.len() <= self.bytes {
            self.text.push_str(more);
            return Ok(());
        }
        let mut end = self.bytes.saturating_sub(MARK);
        if end <= self.text.len() {
            while !self.text.is_char_boundary(end) {
                end -= 1;
            }
            self.text.truncate(end);
        } else {
            end -= self.text.len();
            while !more.is_char_boundary(end) {
                end -= 1;
            }
            self.text.push_str(&more[..end]);
        }
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    //! What is told from names, and how texts are cut.
    use super::*;

    #[test]
    fn a_body_is_named_after_its_actor_or_its_function() {
        let actor = "freeboard_process::actor::run_actor<a::B<(u8, C<D>), E>, x::{{closure}}>::{{closure}}";
        assert_eq!(initial(actor), "a::B<(u8, C<D>), E>");
        assert_eq!(initial("a::run_actor<a::Last>::{{closure}}"), "a::Last");
        assert_eq!(initial("service::main::{{closure}}::{{closure}}"), "service::main");
        assert_eq!(initial("a::run_actor<cut"), "cut");
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_between_characters() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "lo…");
        assert_eq!(cut("äöüäöü", 8), "äö…");
        assert_eq!(text_of(&format_args!("{}{}{}", "abcd", "e", "fgh"), 5), "ab…");
    }
}
