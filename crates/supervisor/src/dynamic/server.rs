//! The supervisor's own process: restarts, terminations and the shutdown. Starts are not here: callers run them.
//!
//! It looks at its children's ends before its mailbox (deviation DEV-05), but after [`ENDS_IN_A_ROW`] of them it takes
//! one request (DEV-09), so neither starves.

use super::ChildError;
use super::table::{End, Owner, Table, Terminate};
use crate::Shutdown;
use crate::intensity::Window;
use crate::report;
use freeboard_process::{Context, Ended, Event, Peer, Reply};
use freeboard_signal::{ExitReason, Pid};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// Ends of children handled before one waiting request is.
const ENDS_IN_A_ROW: usize = 16;

/// What a dynamic supervisor can be asked.
#[derive(Debug)]
pub(crate) enum Request {
    /// Ends of children wait in the table, or it has become empty.
    Ends,
    /// End this child.
    Terminate(Pid, Reply<Result<(), ChildError>>),
    /// End all children and yourself. Answered by the end.
    Stop(ExitReason, Reply<()>),
}

/// Children that were asked to end, and when they are killed.
#[derive(Default)]
struct Ending {
    deadlines: BTreeMap<(Instant, Pid), Peer>,
    replies: BTreeMap<Pid, Vec<Reply<Result<(), ChildError>>>>,
}

/// The life of a dynamic supervisor.
pub(crate) async fn serve(mut cx: Context<Request>, table: Arc<Table>) -> Ended {
    cx.trap_exit(true);
    table.open(Owner { peer: cx.peer(), node: cx.node().clone() });
    cx.acknowledge();
    let limits = table.limits();
    let mut window = Window::new(limits.restarts, limits.period);
    let mut ending = Ending::default();
    // Held to the end: what answers a stop is that this process is gone.
    let mut stops = Vec::new();
    // What was reported while nobody was here to be rung for.
    cx.addr().cast(Request::Ends);
    let reason = loop {
        let event = next_event(&mut cx, &ending).await;
        // Also those that came while it waited go ahead of what it has in hand.
        if let Err(reason) = handle_ends(&mut cx, &table, &mut window, &mut ending) {
            break reason;
        }
        match event {
            None => ending.kill_overdue(cx.now()),
            Some(Event::Message(Request::Ends)) => {}
            Some(Event::Message(Request::Terminate(pid, reply))) => terminate(&mut cx, &table, &mut ending, pid, reply),
            Some(Event::Message(Request::Stop(reason, reply))) => {
                stops.push(reply);
                break reason;
            }
            Some(Event::Exit(exit)) if cx.parent() == Some(exit.from) => break exit.reason,
            // An exit signal of anybody else does not stop a supervisor (OTP: G39).
            Some(_) => {}
        }
    };
    stop_children(&mut cx, &table, &mut stops).await;
    Err(reason)
}

async fn next_event(cx: &mut Context<Request>, ending: &Ending) -> Option<Event<Request>> {
    match ending.deadlines.first_key_value() {
        None => Some(cx.recv().await),
        Some(((at, _), _)) => within(cx, *at).await,
    }
}

/// The next event, unless that time has come: a limit holds also while messages keep coming.
async fn within(cx: &mut Context<Request>, until: Instant) -> Option<Event<Request>> {
    let left = until.saturating_duration_since(cx.now());
    if left.is_zero() { None } else { cx.recv().after(left).await }
}

/// Handles what the children reported; an error is the reason to give up (OTP: G23).
fn handle_ends(
    cx: &mut Context<Request>,
    table: &Arc<Table>,
    window: &mut Window,
    ending: &mut Ending,
) -> Result<(), ExitReason> {
    for _ in 0..ENDS_IN_A_ROW {
        let Some(end) = table.next_end() else { return Ok(()) };
        let pid = match end {
            End::Terminated(pid) => {
                ending.done(pid);
                continue;
            }
            End::Ended(pid, reason) => {
                report::child_terminated(cx.pid(), pid, &reason, true);
                pid
            }
            End::RestartFailed(pid, error) => {
                report::start_error(cx.pid(), pid, &error);
                pid
            }
        };
        // It was forgotten while its end waited here: nothing to restart, nothing to count (OTP: G30).
        if !table.is_due(pid) {
            continue;
        }
        // Every attempt counts, also one after a failed attempt (OTP: G20, H8).
        if !window.attempt(cx.now()) {
            report::intensity_reached(cx.pid(), pid);
            return Err(ExitReason::Shutdown);
        }
        if let Some(Err(error)) = table.restart(pid) {
            report::start_error(cx.pid(), pid, &error);
            table.give_up(pid);
        }
    }
    // More may wait: come back after one request.
    cx.addr().cast(Request::Ends);
    Ok(())
}

fn terminate(
    cx: &mut Context<Request>,
    table: &Table,
    ending: &mut Ending,
    pid: Pid,
    reply: Reply<Result<(), ChildError>>,
) {
    match table.terminate(pid) {
        Terminate::Unknown => reply.send(Err(ChildError::NotFound)),
        Terminate::Forgotten => reply.send(Ok(())),
        Terminate::Asked(child, shutdown) => {
            ending.replies.entry(child.pid()).or_default().push(reply);
            if let Some(limit) = ask(cx.pid(), &child, shutdown) {
                ending.deadlines.insert((cx.now() + limit, child.pid()), child);
            }
        }
    }
}

/// No limit is longer than this; what is asked for beyond lies beyond any clock.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Asks a child to end, or kills it; how long it has, if there is a limit.
fn ask(me: Pid, child: &Peer, shutdown: Shutdown) -> Option<Duration> {
    match shutdown {
        Shutdown::BrutalKill => {
            child.kill();
            None
        }
        Shutdown::Timeout(limit) => {
            child.exit(me, ExitReason::Shutdown);
            Some(limit.min(LONGEST))
        }
        Shutdown::Infinity => {
            child.exit(me, ExitReason::Shutdown);
            None
        }
    }
}

impl Ending {
    fn kill_overdue(&mut self, now: Instant) {
        while let Some(first) = self.deadlines.first_entry() {
            if first.key().0 > now {
                return;
            }
            first.remove().kill();
        }
    }

    fn done(&mut self, pid: Pid) {
        self.deadlines.retain(|(_, ending), _| *ending != pid);
        for reply in self.replies.remove(&pid).into_iter().flatten() {
            reply.send(Ok(()));
        }
    }
}

/// Ends all children at once, each within its own limit: one timer per distinct limit (OTP: H11).
async fn stop_children(cx: &mut Context<Request>, table: &Table, stops: &mut Vec<Reply<()>>) {
    let asked_at = cx.now();
    let mut by_limit: BTreeMap<Duration, Vec<Peer>> = BTreeMap::new();
    for (child, shutdown) in table.close() {
        if let Some(limit) = ask(cx.pid(), &child, shutdown) {
            by_limit.entry(limit).or_default().push(child);
        }
    }
    while table.tracked() > 0 {
        let event = match by_limit.first_key_value() {
            None => Some(cx.recv().await),
            Some((limit, _)) => within(cx, asked_at + *limit).await,
        };
        match event {
            None => {
                for child in by_limit.pop_first().map(|(_, children)| children).into_iter().flatten() {
                    child.kill();
                }
            }
            Some(Event::Message(Request::Terminate(_, reply))) => reply.send(Err(ChildError::ShuttingDown)),
            Some(Event::Message(Request::Stop(_, reply))) => stops.push(reply),
            Some(_) => {}
        }
    }
}
