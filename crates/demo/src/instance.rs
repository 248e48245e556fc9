//! One voice-syncer instance: the trait behind which the naive and the Freeboard parts look the same.
//!
//! What both must share stands here: the work of an init and the life of a connection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::naive::queue::{Door, Inbox, Mail, Post, counted};
use crate::naive::serial::supervise;
use crate::naive::{contiguous, indexed, linked};
use crate::recorder::Recorder;
use crate::request::Request;
use crate::timeline::Depth;

/// Instances in every run: the smallest ring with a majority to lose.
pub const INSTANCES: usize = 3;
/// Processor time a connection's init takes: the stand-in for its handshake.
pub const INIT_WORK: Duration = Duration::from_micros(5);
/// How long a connection lives before its supervisor hears of its end.
pub const CHILD_LIFE: Duration = Duration::from_secs(1);

/// Which parts an instance is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// A serial supervisor that scans its mailbox.
    Naive(QueueKind),
    /// The same supervisor; only the acknowledgement is found by key.
    Indexed,
    /// Freeboard's dynamic supervisor.
    Freeboard,
}

/// The mailbox of the naive variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueKind {
    /// Nodes allocated by the senders, as OTP's.
    #[default]
    Linked,
    /// One array.
    Contiguous,
}

impl Variant {
    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Naive(_) => "naive",
            Self::Indexed => "indexed",
            Self::Freeboard => "freeboard",
        }
    }

    /// Whether it looks through its mailbox for an acknowledgement.
    #[must_use]
    pub fn scans(self) -> bool {
        matches!(self, Self::Naive(_))
    }
}

/// What the generator, the lease thread and the sampler ask of an instance.
///
/// All of it is called from plain OS threads and must not wait.
pub trait Instance: Send + Sync + fmt::Debug {
    /// Hands it a request.
    fn offer(&self, request: Request);
    /// Its lease is due.
    fn heartbeat(&self);
    /// What lies in its supervisor's mailbox.
    fn mailbox(&self) -> Depth;
    /// Ends it, without waiting.
    fn stop(&self);
}

/// Puts up the instances of `variant` on `runtime`, one for each the recorder has room for.
#[must_use]
pub fn put_up(variant: Variant, runtime: &Handle, recorder: &Arc<Recorder>) -> Vec<Box<dyn Instance>> {
    let one = |instance| -> Box<dyn Instance> {
        match variant {
            Variant::Naive(QueueKind::Linked) => {
                let (post, inbox) = linked::mailbox();
                serial(post, inbox, runtime, recorder, instance)
            }
            Variant::Naive(QueueKind::Contiguous) => {
                let (post, inbox) = contiguous::mailbox();
                serial(post, inbox, runtime, recorder, instance)
            }
            Variant::Indexed => Box::new(indexed::put_up(runtime, recorder, instance)),
            Variant::Freeboard => Box::new(crate::freeboard_side::put_up(runtime, recorder, instance)),
        }
    };
    (0..recorder.instances()).map(one).collect()
}

fn serial<Q: Inbox + 'static>(
    post: Q::Post,
    inbox: Q,
    runtime: &Handle,
    recorder: &Arc<Recorder>,
    instance: usize,
) -> Box<dyn Instance> {
    let (door, desk) = counted(post, inbox);
    let task = runtime.spawn(supervise(desk, door.clone(), Arc::clone(recorder), instance));
    Box::new(Serial { door, task })
}

/// An instance with a serial supervisor that is a plain task.
#[derive(Debug)]
struct Serial<P> {
    door: Door<P>,
    task: JoinHandle<()>,
}

impl<P: Post> Instance for Serial<P> {
    fn offer(&self, request: Request) {
        self.door.post(Mail::Start(request));
    }

    fn heartbeat(&self) {
        self.door.post(Mail::Heartbeat);
    }

    fn mailbox(&self) -> Depth {
        self.door.depth()
    }

    fn stop(&self) {
        self.task.abort();
    }
}
