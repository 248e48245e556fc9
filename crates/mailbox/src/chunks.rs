//! A queue that grows by whole chunks, so that no push ever copies what is queued.
//!
//! ```text
//!   pop ◄─ front │ middle: full chunks, oldest first │ back ◄─ push
//! ```
//!
//! A doubling buffer would copy the whole backlog inside the intake's lock, once per doubling; here the most that one
//! push moves is half a chunk, while the first chunk grows. An empty queue owns no memory until its first push.

use std::collections::VecDeque;

/// Entries per chunk. Small under loom, so that a model crosses a boundary in three pushes.
const CHUNK: usize = if cfg!(freeboard_loom) { 2 } else { 512 };

/// A first-in-first-out queue of chunks.
#[derive(Debug)]
pub struct Chunks<T> {
    front: VecDeque<T>,
    /// Full chunks; most queues never have one, and pay one word for it.
    #[expect(
        clippy::box_collection,
        reason = "every process has several of these queues, and nearly none has a middle"
    )]
    middle: Option<Box<VecDeque<VecDeque<T>>>>,
    back: VecDeque<T>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { front: VecDeque::new(), middle: None, back: VecDeque::new() }
    }
}

impl<T> Chunks<T> {
    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.front.is_empty() && self.back.is_empty() && self.middle.as_ref().is_none_or(|middle| middle.is_empty())
    }

    /// Adds the newest entry.
    pub fn push(&mut self, entry: T) {
        if self.back.len() == CHUNK {
            let full = std::mem::replace(&mut self.back, VecDeque::with_capacity(CHUNK));
            self.middle.get_or_insert_default().push_back(full);
        }
        self.back.push_back(entry);
    }

    /// Takes the oldest entry.
    pub fn pop(&mut self) -> Option<T> {
        if let Some(entry) = self.front.pop_front() {
            return Some(entry);
        }
        match self.middle.as_mut().and_then(|middle| middle.pop_front()) {
            Some(chunk) => self.front = chunk,
            None => std::mem::swap(&mut self.front, &mut self.back),
        }
        self.front.pop_front()
    }

    /// Adds all entries of a newer queue behind this one's; moves chunks, not entries.
    pub fn append(&mut self, newer: Self) {
        let older_back = std::mem::replace(&mut self.back, newer.back);
        let between = [older_back, newer.front].into_iter().filter(|chunk| !chunk.is_empty());
        let middle = between.chain(newer.middle.into_iter().flat_map(|middle| *middle));
        let mut middle = middle.peekable();
        if middle.peek().is_some() {
            self.middle.get_or_insert_default().extend(middle);
        }
    }

    /// All entries, oldest first.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let Self { front, middle, back } = self;
        front.iter_mut().chain(middle.iter_mut().flat_map(|middle| middle.iter_mut().flatten())).chain(back.iter_mut())
    }
}

#[cfg(test)]
mod tests {
    //! Order over chunk boundaries, and appends.
    use super::*;

    #[test]
    fn order_holds_over_many_chunks_and_appends() {
        let mut queue = Chunks::default();
        (0..1_500).for_each(|n| queue.push(n));
        for n in 0..700 {
            assert_eq!(queue.pop(), Some(n));
        }
        let mut newer = Chunks::default();
        (1_500..3_000).for_each(|n| newer.push(n));
        assert_eq!(newer.pop(), Some(1_500));
        queue.append(newer);
        (3_000..3_010).for_each(|n| queue.push(n));
        assert!(queue.iter_mut().map(|n| *n).eq((700..1_500).chain(1_501..3_010)));
        for n in (700..1_500).chain(1_501..3_010) {
            assert_eq!(queue.pop(), Some(n));
        }
        assert_eq!(queue.pop(), None);
        assert!(queue.is_empty());
    }
}
