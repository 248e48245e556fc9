//! What a timer that can be taken back puts into a mailbox: a place in the queue that may turn out to be empty.
//!
//! ```text
//!            due            take             the receiver gets it, or leaves it in its index under the name
//!   Waiting ─────► Queued ────────► Over     whoever takes it back (stop) gets the message; the place is passed
//!      ▲              │ take                 a tick is made by the receiver, outside the lock
//!      └── made ── Making                    and the next one may come
//! ```
//!
//! The entry in the queue and whoever may take it back share one of these, so taking back costs one short lock however deep
//! the queue is, and nobody walks it.
//!
//! # Invariants
//! * A message is in one place: here, or with whoever took it.
//! * Of ticks that are made one after another no more than one is queued, and a tick is made when it is received: one that
//!   is passed was never there.
//! * No user code runs under the lock: messages are moved out of it, and the maker of ticks is taken out to be asked.
//!
//! # Not here
//! Clocks. Who says that it is due, and who counts what was passed.

use crate::sync::Mutex;
use freeboard_signal::Ref;
use std::{fmt, mem};

/// The message of a timer, and how far it has come.
pub struct Timed<M> {
    name: Ref,
    stage: Mutex<Stage<M>>,
}

enum Stage<M> {
    Waiting(Source<M>),
    Queued(Source<M>),
    /// A tick is just being made; its maker is with the receiver.
    Making,
    /// Received or taken back.
    Over,
}

/// Where the message comes from.
enum Source<M> {
    Once(M),
    Ticks(Box<dyn FnMut() -> M + Send>),
}

/// What is to be done with a timer that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It is to be queued.
    Queue,
    /// The tick before waits still, or is just being made: this one is missed.
    Missed,
    /// It was taken back.
    Over,
}

/// What a timer had when it was taken back.
pub enum Stopped<M> {
    /// It was not queued; what it would have sent is here, if it was made.
    Early(Option<M>),
    /// It stood in the queue; the message is here, if it was made.
    Queued(Option<M>),
    /// Nothing any more.
    Over,
}

impl<M> Timed<M> {
    /// One message, which selective receives leave under this name.
    pub fn once(name: Ref, message: M) -> Self {
        Self { name, stage: Mutex::new(Stage::Waiting(Source::Once(message))) }
    }

    /// A message whenever it is due, made when it is received.
    pub fn ticks(name: Ref, make: impl FnMut() -> M + Send + 'static) -> Self {
        Self { name, stage: Mutex::new(Stage::Waiting(Source::Ticks(Box::new(make)))) }
    }

    /// Its name in the receiver's index.
    pub fn name(&self) -> Ref {
        self.name
    }

    /// Its time has come.
    pub fn due(&self) -> Due {
        let mut stage = self.stage.lock();
        match mem::replace(&mut *stage, Stage::Over) {
            Stage::Waiting(source) => {
                *stage = Stage::Queued(source);
                Due::Queue
            }
            busy @ (Stage::Queued(_) | Stage::Making) => {
                *stage = busy;
                Due::Missed
            }
            Stage::Over => Due::Over,
        }
    }

    /// The message, for the receiver who has come to its place; `None` if it was taken back. A tick is made here: by user
    /// code, whose panic ends the ticks.
    pub(crate) fn take(&self) -> Option<M> {
        match self.take_source()? {
            Source::Once(message) => Some(message),
            Source::Ticks(mut make) => {
                let message = make();
                let mut stage = self.stage.lock();
                if let Stage::Making = *stage {
                    *stage = Stage::Waiting(Source::Ticks(make));
                }
                Some(message)
            }
        }
    }

    fn take_source(&self) -> Option<Source<M>> {
        let mut stage = self.stage.lock();
        match mem::replace(&mut *stage, Stage::Over) {
            Stage::Queued(source) => {
                if let Source::Ticks(_) = source {
                    *stage = Stage::Making;
                }
                Some(source)
            }
            other => {
                *stage = other;
                None
            }
        }
    }

    /// Passes its place without a message: the tick before was received too late, or not at all. The next one may come.
    pub(crate) fn pass(&self) {
        let mut stage = self.stage.lock();
        *stage = match mem::replace(&mut *stage, Stage::Over) {
            Stage::Queued(source) => Stage::Waiting(source),
            other => other,
        };
    }

    /// Takes it back: from now on nothing comes of it.
    pub fn stop(&self) -> Stopped<M> {
        let stopped = mem::replace(&mut *self.stage.lock(), Stage::Over);
        // The maker of ticks is user data, so it is dropped here, outside the lock.
        match stopped {
            Stage::Waiting(source) => Stopped::Early(source.once()),
            Stage::Queued(source) => Stopped::Queued(source.once()),
            Stage::Making | Stage::Over => Stopped::Over,
        }
    }

    /// Whether it stands in the queue.
    pub fn is_queued(&self) -> bool {
        matches!(*self.stage.lock(), Stage::Queued(_))
    }

    /// Whether something may still come of it.
    pub fn is_set(&self) -> bool {
        !matches!(*self.stage.lock(), Stage::Over)
    }
}

impl<M> Stopped<M> {
    /// The message, if there was one.
    pub fn message(self) -> Option<M> {
        match self {
            Self::Early(message) | Self::Queued(message) => message,
            Self::Over => None,
        }
    }
}

impl<M> Source<M> {
    fn once(self) -> Option<M> {
        match self {
            Self::Once(message) => Some(message),
            Self::Ticks(_) => None,
        }
    }
}

impl<M> fmt::Debug for Timed<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timed").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<M> fmt::Debug for Stopped<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Early(_) => "Early(..)",
            Self::Queued(_) => "Queued(..)",
            Self::Over => "Over",
        })
    }
}

#[cfg(test)]
mod tests {
    //! Each way from stage to stage.
    use super::*;
    use std::sync::Arc;

    fn name() -> Ref {
        Ref::new(0, 1)
    }

    #[test]
    fn one_message_is_due_once_and_is_in_one_place() {
        let timed = Timed::once(name(), 7);
        assert_eq!(timed.take(), None, "not due");
        let timed = Timed::once(name(), 7);
        assert_eq!((timed.due(), timed.due(), timed.is_queued()), (Due::Queue, Due::Missed, true));
        assert_eq!((timed.take(), timed.take(), timed.due(), timed.is_set()), (Some(7), None, Due::Over, false));
    }

    #[test]
    fn what_is_taken_back_is_with_whoever_took_it() {
        let timed = Timed::once(name(), 7);
        assert!(matches!(timed.stop(), Stopped::Early(Some(7))) && timed.due() == Due::Over);
        let timed = Timed::once(name(), 7);
        assert_eq!(timed.due(), Due::Queue);
        assert!(matches!(timed.stop(), Stopped::Queued(Some(7))) && matches!(timed.stop(), Stopped::Over));
        assert_eq!(timed.take(), None);
    }

    #[test]
    fn an_interval_that_is_due_while_its_tick_is_made_goes_on() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (own, notes) = (Arc::new(Mutex::new(None::<Arc<Timed<()>>>)), Arc::clone(&seen));
        let itself = Arc::clone(&own);
        let ticks = Arc::new(Timed::ticks(name(), move || {
            let itself = itself.lock().clone();
            notes.lock().extend(itself.map(|ticks| ticks.due()));
        }));
        *own.lock() = Some(Arc::clone(&ticks));
        assert_eq!((ticks.due(), ticks.take(), ticks.due()), (Due::Queue, Some(()), Due::Queue));
        assert_eq!(*seen.lock(), [Due::Missed]);
        own.lock().take();
    }

    #[test]
    fn a_tick_is_made_when_it_is_received_and_one_waits_at_a_time() {
        let mut made = 0;
        let ticks = Timed::ticks(name(), move || {
            made += 1;
            made
        });
        assert_eq!((ticks.due(), ticks.due(), ticks.due()), (Due::Queue, Due::Missed, Due::Missed));
        assert_eq!((ticks.take(), ticks.take(), ticks.due()), (Some(1), None, Due::Queue));
        ticks.pass();
        assert_eq!((ticks.is_queued(), ticks.due(), ticks.take()), (false, Due::Queue, Some(2)));
        assert!(matches!(ticks.stop(), Stopped::Early(None)) && ticks.due() == Due::Over);
    }
}
