//! One storm, three supervisors: `cargo run --release --example flood`, and `-- --help` for what it can do.
//!
//! Three voice-syncer instances receive the same storm of reconnecting sessions three times: with a supervisor that scans
//! its mailbox for each acknowledgement, with the same supervisor on an indexed mailbox, and with Freeboard's dynamic
//! supervisor. All of it lives in the demo crate; this is only the door.

use std::process::ExitCode;

fn main() -> ExitCode {
    freeboard_demo::flood_main(std::env::args_os().skip(1))
}
