//! What Freeboard costs, beside the least that the same work costs without it.
//!
//! ```text
//!   rows ──one round: every variant once──► Series ──medians, ratios, quartiles──► Figure ──bar──► holds, or not
//!     │                                                                               ▲
//!     └─ load (the same for both sides), floor (tokio by hand, no actor)              └─ void, if others used the machine
//! ```
//!
//! `cargo xtask figures` runs every row and says which bars hold. A bar is judged by the median over [`ROUNDS`] rounds;
//! each round measures ours and the floor one after the other, in turns first, so that whatever slows the machine down for
//! a second slows both. **Ratios decide**; absolute figures are printed beside them, and judged only where a row has no
//! floor.
//!
//! # Invariants
//! * A floor program is fixed: making it slower or faster changes the meaning of every bar, so it needs a reason.
//! * Both sides do the same work under the same load, and every run checks what it did: sums, counts, answers.
//! * The load runs on the runtime's workers; the thread that measures sleeps meanwhile. In a contest of queues it receives.
//!
//! # Not here
//! What each part costs by itself: `benches/`, one file for each noun, run by `cargo bench -p freeboard-benches`. How often
//! the allocator is asked: `tests/allocations.rs`. What they have in common with the rows is public here for their sake.

mod contention;
mod figure;
mod floor;
mod load;
mod machine;
mod note;
mod pairs;
mod rows;
mod sum;

pub use contention::{PRODUCERS, QUEUES, Queue};
pub use figure::{Bar, Figure, heading};
pub use floor::Scan;
pub use note::{ACK, JUNK, Note};
pub use pairs::{ROUNDS, Series, interleave, watched};
pub use rows::{ROWS, Row, memory_probe};
pub use sum::{Msg, Sum};
