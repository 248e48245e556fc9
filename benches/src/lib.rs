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
//! * The load runs on the runtime's workers; the thread that measures sleeps meanwhile.
//!
//! # Not here
//! What a message costs inside the mailbox alone: `benches/mailbox.rs`, run by `cargo bench -p freeboard-benches`.

mod figure;
mod floor;
mod load;
mod machine;
mod pairs;
mod rows;

pub use figure::{Bar, Figure, heading};
pub use pairs::{ROUNDS, Series, interleave, watched};
pub use rows::{ROWS, Row, memory_probe};
