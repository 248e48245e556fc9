//! A point in the life of a mailbox, to look only at what came after it (OTP: E8, E9, E17).
//!
//! Invariant: entries are numbered in the order in which they came, those of the lane for themselves. So a mark is two
//! numbers: nothing has to be kept for it, any number of them may be in use, and one that is never used costs nothing.
//!
//! Deliberately absent: a mark in the queue itself, which would have to be taken out again.

/// A point in the life of a mailbox: a search [since](crate::Search::since) it looks at nothing that was there before.
///
/// It means something only for the inbox that made it.
///
/// ```
/// use freeboard_mailbox::{Event, Inbox, Intake, Search, Step};
///
/// let (intake, mut inbox) = (Intake::<&str, ()>::new(), Inbox::new());
/// (0..1_000).for_each(|_| intake.push("junk").expect("open"));
/// let mark = inbox.marker(intake.marker());
/// intake.push("answer").expect("open");
/// intake.exchange(inbox.spare(), None);
/// let mut answer = Search::message_where(|word: &&str| *word == "answer").since(mark);
/// assert!(matches!(inbox.step(&mut answer, &mut 2_000), Step::Found(Event::Message("answer"))));
/// assert_eq!(inbox.inspected(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The number of the next entry of the lane.
    pub(crate) lane: u64,
    /// The number of the next entry of the queue.
    pub(crate) queue: u64,
}
