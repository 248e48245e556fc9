//! Everything in the demo that decides, tested without a clock: plans, traces, the ring, the naive mailboxes, the verdict,
//! the prediction and the command line. A real run is left to the gate, which runs the example itself.

mod cli;
mod load;
mod machine;
mod mailbox;
mod plan;
mod predict;
mod report;
mod ring;
mod trace;
mod verdict;
