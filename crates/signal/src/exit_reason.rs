//! Why a process ended.
//!
//! Invariants: cloning a reason never copies its payload, so one death can be told to a hundred thousand observers; kill
//! is a signal (deviation DEV-08), so giving the reason [`ExitReason::Killed`] by hand is an ordinary exit that can be
//! trapped. `NoProc` and `NoConnection` are answers of the observer's side: no process has died of one ([`Absent`]).

use std::{error::Error, fmt, sync::Arc};

/// Why a process ended; every link and monitor sees the same reason (OTP: A1).
///
/// `Normal`, `Shutdown` and `ShutdownWith` are *expected*: they restart no transient child and write no crash report
/// (OTP: A4). Any error converts by `?`.
///
/// # Deviation
/// OTP lets a process exit with the literal reason `kill`; here kill is a signal only (`docs/deviations.md`, DEV-08).
#[non_exhaustive]
#[derive(Clone, Debug)]
pub enum ExitReason {
    /// The process ran out of code (OTP: A2).
    Normal,
    /// It was asked to stop, usually by its supervisor.
    Shutdown,
    /// It was asked to stop, and this is why.
    ShutdownWith(Arc<str>),
    /// It was killed by the signal that cannot be trapped (OTP: A5).
    Killed,
    /// Made up by the observer's side: there was no such process when the request reached it (OTP: A7).
    NoProc,
    /// Made up by the observer's side: contact is lost, the process may well be alive (OTP: A7).
    NoConnection,
    /// It panicked (OTP: A3).
    Panic(Arc<PanicInfo>),
    /// It gave up with an error.
    Error(Arc<dyn Error + Send + Sync>),
}

/// The reasons of most ends, which carry nothing: one byte, for those who keep room for a reason that is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    /// [`ExitReason::Normal`].
    Normal,
    /// [`ExitReason::Shutdown`].
    Shutdown,
    /// [`ExitReason::Killed`].
    Killed,
}

/// Why a process ended whose reason was an observer's answer: what it relied on was not there.
///
/// A body that returns [`ExitReason::NoProc`], or a link to the dead that ends a process, means just this. So whoever
/// watches that process is told an `Error` that holds this, and `NoProc` in a notice always says that its *own* target did
/// not exist (OTP: A7).
///
/// ```
/// use freeboard_signal::{Absent, ExitReason};
///
/// let cause = ExitReason::NoProc.into_cause();
/// assert!(matches!(&cause, ExitReason::Error(error) if error.downcast_ref() == Some(&Absent::Process)));
/// assert_eq!(cause.to_string(), "error: a process it relied on does not exist");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It ended with [`ExitReason::NoProc`].
    Process,
    /// It ended with [`ExitReason::NoConnection`].
    Connection,
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "a process it relied on does not exist",
            Self::Connection => "the connection to a process it relied on is lost",
        })
    }
}

impl Error for Absent {}

/// What is known of a panic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PanicInfo {
    /// The panic's message; a payload that is no string is described in words.
    pub message: String,
    /// `file:line:column`, or empty where the node does not record panic locations.
    pub location: String,
}

impl ExitReason {
    /// Whether this is one of the three reasons that count as an orderly end.
    ///
    /// ```
    /// use freeboard_signal::ExitReason;
    ///
    /// assert!(ExitReason::Normal.is_expected());
    /// assert!(ExitReason::ShutdownWith("rescale".into()).is_expected());
    /// assert!(!ExitReason::Killed.is_expected());
    /// ```
    pub fn is_expected(&self) -> bool {
        matches!(self, Self::Normal | Self::Shutdown | Self::ShutdownWith(_))
    }

    /// This reason as what a process died of: an observer's answer becomes an [`Absent`] error (OTP: A7), all others stay as
    /// they are. Every end goes through this.
    pub fn into_cause(self) -> Self {
        match self {
            Self::NoProc => Absent::Process.into(),
            Self::NoConnection => Absent::Connection.into(),
            cause => cause,
        }
    }

    /// This reason in little room: a byte if it is one of most ends, a block of its own otherwise.
    ///
    /// ```
    /// use freeboard_signal::{Bare, ExitReason};
    ///
    /// assert!(matches!(ExitReason::Shutdown.pack(), (Some(Bare::Shutdown), None)));
    /// let (bare, boxed) = ExitReason::ShutdownWith("rescale".into()).pack();
    /// assert_eq!(ExitReason::unpack(bare, boxed.as_deref()).unwrap().to_string(), "shutdown: rescale");
    /// assert!(ExitReason::unpack(None, None).is_none());
    /// ```
    pub fn pack(self) -> (Option<Bare>, Option<Box<Self>>) {
        match self {
            Self::Normal => (Some(Bare::Normal), None),
            Self::Shutdown => (Some(Bare::Shutdown), None),
            Self::Killed => (Some(Bare::Killed), None),
            other => (None, Some(Box::new(other))),
        }
    }

    /// What was [packed](Self::pack); `None` if nothing was.
    pub fn unpack(bare: Option<Bare>, boxed: Option<&Self>) -> Option<Self> {
        match bare {
            Some(Bare::Normal) => Some(Self::Normal),
            Some(Bare::Shutdown) => Some(Self::Shutdown),
            Some(Bare::Killed) => Some(Self::Killed),
            None => boxed.cloned(),
        }
    }

    /// The reason for a caught panic with this payload.
    pub fn from_panic(payload: &(dyn std::any::Any + Send), location: String) -> Self {
        let message = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (None, Some(text)) => text.clone(),
            (None, None) => "panic with a payload that is no text".to_owned(),
        };
        Self::Panic(Arc::new(PanicInfo { message, location }))
    }
}

/// Any error is an abnormal reason, so process code can use `?`. This works only because `ExitReason` itself is not an
/// `Error`.
impl<E: Error + Send + Sync + 'static> From<E> for ExitReason {
    fn from(error: E) -> Self {
        Self::Error(Arc::new(error))
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("normal"),
            Self::Shutdown => f.write_str("shutdown"),
            Self::ShutdownWith(why) => write!(f, "shutdown: {why}"),
            Self::Killed => f.write_str("killed"),
            Self::NoProc => f.write_str("no such process"),
            Self::NoConnection => f.write_str("connection lost"),
            Self::Panic(info) if info.location.is_empty() => write!(f, "panic: {}", info.message),
            Self::Panic(info) => write!(f, "panic at {}: {}", info.location, info.message),
            Self::Error(error) => write!(f, "error: {error}"),
        }
    }
}
