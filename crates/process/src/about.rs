//! What a process says of itself, for people: its label, its ancestors, and its state for a report.
//!
//! ```text
//!   parent: heirs ── one list, shared by all its children ──► child: ancestors, the parent first (OTP: L3)
//! ```
//!
//! # Invariants
//! * Nobody's behaviour depends on what stands here.
//! * A list of ancestors is made once per parent and is bounded; so is a label.
//! * A process without parent, label and children holds nothing of this.
//!
//! # Not here
//! Names, which others find a process by (`names.rs`).

use crate::context::{Context, Ended};
use crate::life::Life;
use crate::report::{STATE_BYTES, cut};
use crate::task::panic_reason;
use crate::wire::Peer;
use freeboard_signal::Pid;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// How many ancestors a process knows.
pub const ANCESTORS: usize = 16;

/// The longest label, in bytes.
pub const LABEL_BYTES: usize = 255;

/// What few processes have.
#[derive(Default)]
pub(crate) struct About {
    pub(crate) label: Option<Arc<str>>,
    /// What it agrees to show of its state, now that it ends.
    pub(crate) state: Option<String>,
    /// The ancestors of its children; made for the first one.
    heirs: Option<Arc<Vec<Pid>>>,
}

impl Life {
    /// Who started it, and who started those, as a list that its children share.
    fn heirs(&mut self, me: Pid) -> Arc<Vec<Pid>> {
        let above = self.ancestors();
        let make = || {
            let above = above.as_deref().into_iter().flatten().copied();
            Arc::new(std::iter::once(me).chain(above).take(ANCESTORS).collect())
        };
        Arc::clone(self.about().heirs.get_or_insert_with(make))
    }

    /// Who started it, the parent first.
    pub(crate) fn ancestors(&self) -> Option<Arc<Vec<Pid>>> {
        self.obligations.as_ref()?.ancestors.clone()
    }

    pub(crate) fn label(&self) -> Option<Arc<str>> {
        self.obligations.as_ref()?.about.as_ref()?.label.clone()
    }
}

impl Peer {
    /// The ancestors of a child of this process.
    pub(crate) fn heirs(&self) -> Arc<Vec<Pid>> {
        let life = self.seat.core().life_of(self.pid.generation());
        life.map_or_else(|| Arc::new(vec![self.pid]), |mut life| life.heirs(self.pid))
    }
}

impl<M: Send + 'static> Context<M> {
    /// Says in words what this process is for; reports and [`Node::processes`](crate::Node::processes) show it (OTP: L3).
    /// Unlike a name it need not be unique, and nobody is found by it. What is longer than [`LABEL_BYTES`](crate::LABEL_BYTES)
    /// is cut. A later label replaces an earlier one; the next incarnation begins without.
    ///
    /// ```
    /// use freeboard_process::{Context, Node, Sim};
    ///
    /// Sim::seed(1).run(async |node: Node| {
    ///     let session = node.spawn(async |mut cx: Context<freeboard_process::Reply<()>>| {
    ///         cx.set_label("session of alice");
    ///         cx.recv_message().await.send(());
    ///         Ok(cx.sleep(std::time::Duration::from_secs(1)).await)
    ///     });
    ///     session.call(|reply| reply).await.unwrap();
    ///     let label = node.processes()[0].label.clone();
    ///     assert_eq!(label.as_deref(), Some("session of alice"));
    /// });
    /// ```
    pub fn set_label(&mut self, label: impl Into<Arc<str>>) {
        let label: Arc<str> = label.into();
        let label = if label.len() > LABEL_BYTES { cut(&label, LABEL_BYTES).into() } else { label };
        if let Some(mut life) = self.life() {
            life.about().label = Some(label);
        }
    }

    /// Who started this process, and who started those: the parent first, [`ANCESTORS`](crate::ANCESTORS) at most (OTP: L3).
    /// As it was when this process started; some of them may have ended.
    pub fn ancestors(&self) -> Vec<Pid> {
        self.life().and_then(|life| life.ancestors()).map_or_else(Vec::new, |ancestors| ancestors.to_vec())
    }

    /// Notes what an actor that has just failed shows of its state, if anybody will read its report. A `show` that panics
    /// shows nothing (OTP: F32, L9).
    pub(crate) fn note_state(&self, ended: &Ended, show: impl FnOnce() -> Option<String>) {
        let Err(reason) = ended else { return };
        if reason.is_expected() || !self.node().reporter().is_read() {
            return;
        }
        let shown = catch_unwind(AssertUnwindSafe(show)).unwrap_or_else(|payload| {
            let _hidden = panic_reason(payload);
            None
        });
        if let (Some(state), Some(mut life)) = (shown, self.life()) {
            let state = if state.len() > STATE_BYTES { cut(&state, STATE_BYTES) } else { state };
            life.about().state = Some(state);
        }
    }
}
