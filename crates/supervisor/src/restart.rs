//! Whether a child that ended is started again: restart type × reason, as a table.
//!
//! | restart type | expected reason | any other reason |
//! |---|---|---|
//! | `Permanent` | restart | restart |
//! | `Transient` | forget | restart |
//! | `Temporary` | forget | forget |
//!
//! "Expected" is `Normal`, `Shutdown`, `ShutdownWith` (OTP: A4, G10). In a dynamic supervisor a child that is not started
//! again is forgotten together with its spec (OTP: G11, H7).

use freeboard_signal::ExitReason;

/// When a child is started again after it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// Only after an end that was not expected.
    Transient,
    /// Never.
    Temporary,
}

/// What is to be done with a child that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Start it again, if the intensity allows it.
    Restart,
    /// Drop it and its spec.
    Forget,
}

impl Restart {
    /// The table above.
    ///
    /// ```
    /// use freeboard_signal::ExitReason;
    /// use freeboard_supervisor::{Restart, Verdict};
    ///
    /// assert_eq!(Restart::Transient.after(&ExitReason::Shutdown), Verdict::Forget);
    /// assert_eq!(Restart::Transient.after(&ExitReason::Killed), Verdict::Restart);
    /// ```
    pub fn after(self, reason: &ExitReason) -> Verdict {
        match self {
            Self::Permanent => Verdict::Restart,
            Self::Transient if reason.is_expected() => Verdict::Forget,
            Self::Transient => Verdict::Restart,
            Self::Temporary => Verdict::Forget,
        }
    }
}
