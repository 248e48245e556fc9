//! Idle timeouts: an actor is told when nothing has come for a while.
//!
//! ```text
//!   handled something ─► waits: a spell begins ──limit──► handle_timeout, once ─► waits on
//!          ▲                    │
//!          └──── an event ──────┘
//! ```
//!
//! # Invariants
//! * A spell begins when the actor begins to wait, and whatever it is handed ends it: a message, a trapped exit, a notice
//!   (OTP: F19). Signals that are applied and not handed out do not: links, monitors, questions from outside.
//! * What is queued when the limit passes wins (OTP: F20).
//! * A message costs nothing for this. Whether something was handled is told by the count of handled messages, when the actor
//!   begins to wait; a busy one sets no timer, but shares its process's alarm (`alarm.rs`), which rings once per limit.
//!
//! # Not here
//! Raw processes, which give their receives a limit of their own ([`Receive::after`](crate::Receive::after)).

use crate::context::Context;
use crate::current;
use crate::receive::Alarm;
use std::{
    task::Waker,
    time::{Duration, Instant},
};

/// Limits below this begin at an exact reading of the clock.
const EXACT: Duration = Duration::from_millis(50);

/// The idle timeout of one actor.
pub(crate) struct Idle {
    limit: Duration,
    /// Notices that were handed out.
    notices: u64,
    spell: Option<Spell>,
    /// Where the process's own alarm does not reach: an actor that is polled by somebody else than its task.
    alarm: Option<Alarm>,
}

/// A time in which nothing came.
struct Spell {
    /// What was handed out before it.
    after: u64,
    since: Instant,
    /// Whether the actor was told.
    told: bool,
}

impl<M: Send + 'static> Context<M> {
    /// From now on, [`Actor::handle_timeout`](crate::Actor::handle_timeout) is called when nothing has come for that long;
    /// `None` ends this.
    ///
    /// It is called once each time the actor falls idle. The next message, trapped exit or notice starts it afresh (OTP: F19),
    /// and so does another call of this. A message that is queued when the time is over wins. A limit of zero means: as soon as
    /// nothing is queued (OTP: F20). For something to be handled *before* what is queued there is [`then`](Self::then); for a
    /// limit that messages do not end, [`set_timer`](Self::set_timer) (OTP: F21).
    ///
    /// Only the loop of an [`Actor`](crate::Actor) looks at this; a raw process uses [`after`](crate::Receive::after).
    ///
    /// ```
    /// use freeboard_process::{Actor, Context, Ended, ExitReason, InitError, Node, Sim, run_actor};
    /// use std::time::Duration;
    ///
    /// struct Session;
    /// impl Actor for Session {
    ///     type Msg = ();
    ///     type Args = ();
    ///     async fn init((): (), cx: &mut Context<()>) -> Result<Self, InitError> {
    ///         cx.idle_timeout(Some(Duration::from_secs(60)));
    ///         Ok(Session)
    ///     }
    ///     async fn handle(&mut self, (): (), _: &mut Context<()>) -> Ended {
    ///         Ok(())
    ///     }
    ///     async fn handle_timeout(&mut self, _: &mut Context<()>) -> Ended {
    ///         Err(ExitReason::ShutdownWith("idle".into()))
    ///     }
    /// }
    ///
    /// # Sim::seed(1).run(async |node: Node| {
    /// let session = node.spawn(|cx| run_actor::<Session>(|| (), cx));
    /// # let (done, heard) = tokio::sync::oneshot::channel();
    /// node.spawn(async move |mut cx: Context<()>| {
    ///     let (start, monitor) = (cx.now(), cx.monitor(&session));
    ///     cx.sleep(Duration::from_secs(50)).await;
    ///     session.cast(());
    ///     let down = cx.recv_down(monitor).await;
    ///     # let _ = done.send((down.reason.to_string(), (cx.now() - start).as_secs()));
    ///     Ok(())
    /// });
    /// # assert_eq!(heard.await.unwrap(), ("shutdown: idle".to_owned(), 110));
    /// # });
    /// ```
    ///
    /// # Cost
    /// For an actor that has this, one reading of the coarse clock each time it begins to wait; nothing per message. It shares
    /// the timer of its process's calls: one per process, set once per limit. The coarse clock may lag by some milliseconds,
    /// and by as much a call may come early; limits below 50 ms are exact.
    pub fn idle_timeout(&mut self, after: Option<Duration>) {
        let idle = &mut self.rare.get_or_insert_default().idle;
        *idle = after.map(|limit| Idle { limit, notices: 0, spell: None, alarm: None });
    }

    /// Notes that something was handed out that is no message.
    pub(crate) fn note_notice(&mut self) {
        if let Some(idle) = self.rare.as_mut().and_then(|rare| rare.idle.as_mut()) {
            idle.notices += 1;
        }
    }

    /// Whether an actor that finds nothing to receive is to be told so; if not yet, sees to it that it looks again in time.
    #[inline]
    pub(crate) fn is_idle(&mut self, waker: &Waker) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.idle.is_some()) && self.look_at_spell(waker)
    }

    #[cold]
    fn look_at_spell(&mut self, waker: &Waker) -> bool {
        let handled = self.seat.intake.handled() + u64::from(self.unnoted);
        let (Some(node), Some(rare)) = (self.seat.core.node(), &mut self.rare) else { return false };
        let Some(idle) = &mut rare.idle else { return false };
        let after = handled + idle.notices;
        let begins = idle.spell.as_ref().is_none_or(|spell| spell.after != after);
        if begins {
            let since = if idle.limit < EXACT { node.now() } else { node.coarse_of_poll() };
            idle.spell = Some(Spell { after, since, told: false });
        }
        let Some(spell) = idle.spell.as_mut().filter(|spell| !spell.told) else { return false };
        let until = node.later_than(spell.since, idle.limit);
        // A spell that has just begun is over only if it has no length; that takes no look at the clock.
        spell.told = if begins { idle.limit.is_zero() } else { node.now() >= until };
        if !spell.told && !current::wake_by(until, waker) {
            spell.told = idle.alarm.insert(Alarm::new(node.clone(), until)).rings(waker);
        }
        if spell.told {
            idle.alarm = None;
        }
        spell.told
    }
}
