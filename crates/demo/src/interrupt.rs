//! Ctrl-C: the terminal as it was, and exit status 130, at once.
//!
//! The run's own runtimes are busy on purpose, so the signal is awaited on a thread and a runtime of its own.

use std::io::Write;

/// The exit status of a run that was interrupted.
pub(crate) const STATUS: i32 = 130;

/// From now on Ctrl-C ends the process with status 130. If the system refuses, Ctrl-C keeps its usual effect.
pub(crate) fn watch() {
    let watcher = || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            leave();
        }
    };
    // Without the thread nothing is lost but the tidy ending.
    drop(std::thread::Builder::new().name("interrupt".to_owned()).spawn(watcher));
}

fn leave() -> ! {
    // The only thing the demo ever changes is the colour of what it writes.
    let mut err = std::io::stderr();
    let reset = if std::io::IsTerminal::is_terminal(&err) { "\x1b[0m" } else { "" };
    // A closed stderr is no reason to stay.
    drop(writeln!(err, "{reset}\nflood: interrupted"));
    std::process::exit(STATUS)
}
