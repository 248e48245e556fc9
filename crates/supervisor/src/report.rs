//! What a supervisor reports of its children (OTP: L4), one event each.
//!
//! | report | when | level |
//! |---|---|---|
//! | `child terminated` | a child ended by itself: abnormally, or in whatever way if it is started again | warn; info if in order |
//! | `start error` | a restart failed; a first start's failure is told to its caller instead | warn |
//! | `shutdown error` | a child that was to end did so in another way, or had to be killed | warn |
//! | `restart intensity reached` | the supervisor gives up | error |
//! | `progress` | a child is up | info |
//!
//! # Invariants
//! * A subscriber that panics concerns neither the supervisor nor the child.
//! * No event is emitted under a lock of the table.
//!
//! # Not here
//! What there is to say of the child itself: that is its crash report (`freeboard-process`).

use crate::Shutdown;
use freeboard_signal::{ExitReason, Pid};
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// A child ended by itself.
pub(crate) fn child_terminated(supervisor: Pid, child: Pid, reason: &ExitReason, restarted: bool) {
    quietly(|| {
        if reason.is_expected() {
            tracing::info!(%supervisor, %child, %reason, restarted, "child terminated");
        } else {
            tracing::warn!(%supervisor, %child, %reason, restarted, "child terminated");
        }
    });
}

/// A restart failed.
pub(crate) fn start_error(supervisor: Pid, child: Pid, error: &dyn fmt::Display) {
    quietly(|| tracing::warn!(%supervisor, %child, %error, "start error"));
}

/// A child that was to end has ended, for that reason; reported if it is not the one that was asked for.
pub(crate) fn shut_down(supervisor: Pid, child: Pid, reason: &ExitReason, asked: Shutdown) {
    let as_asked = match asked {
        Shutdown::BrutalKill => matches!(reason, ExitReason::Killed),
        Shutdown::Timeout(_) | Shutdown::Infinity => false,
    };
    if !as_asked && !reason.is_expected() {
        quietly(|| tracing::warn!(%supervisor, %child, %reason, "shutdown error"));
    }
}

/// More restarts than it may make: the supervisor gives up.
pub(crate) fn intensity_reached(supervisor: Pid, child: Pid) {
    quietly(|| tracing::error!(%supervisor, %child, "restart intensity reached"));
}

/// A child is up.
pub(crate) fn progress(supervisor: Pid, child: Pid) {
    quietly(|| tracing::info!(%supervisor, %child, "progress"));
}

/// Runs a subscriber, whose panic concerns nobody.
fn quietly(emit: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(emit))
        && let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        std::mem::forget(again);
    }
}
