//! The queue across restarts, at random: senders, crashes, kills, restarts, and the end of the supervisor at some moment.
//!
//! Whatever happens, in each mode and for both kinds of mailbox: every message ends once, as received, refused or dropped;
//! what is received of one sender is in its order; every caller is answered; and nothing is left.

use crate::storms::Choices;
use crate::support::{pass, quiet};
use freeboard_process::sync::Mutex;
use freeboard_process::{Addr, CallError, Context, Dropped, ExitReason, Node, Pending, Policy, Refused, Reply, Sim};
use freeboard_supervisor::{DynamicSupervisor, Queue, Restart, child_fn};
use std::{sync::Arc, time::Duration};

const MS: Duration = Duration::from_millis(1);
const SEEDS: u64 = 150;
const SENDERS: u64 = 3;
const EACH: u64 = 25;

/// What became of the messages: their numbers, `sender * EACH + n`.
#[derive(Default)]
struct Ends {
    received: Mutex<Vec<u64>>,
    refused: Mutex<Vec<u64>>,
    /// All that were dropped, whatever came before.
    dropped: Mutex<Vec<u64>>,
}

struct Numbered(u64, Arc<Ends>);

impl Drop for Numbered {
    fn drop(&mut self) {
        self.1.dropped.lock().push(self.0);
    }
}

struct Request {
    number: Numbered,
    /// Whether the receiver crashes with it in its hands.
    crashes: bool,
    reply: Option<Reply<u64>>,
}

/// Receives, and crashes when it is told to.
async fn fragile(mut cx: Context<Request>) -> freeboard_process::Ended {
    loop {
        let Request { number, crashes, reply } = cx.recv_message().await;
        number.1.received.lock().push(number.0);
        if crashes {
            return Err(ExitReason::Shutdown);
        }
        if let Some(reply) = reply {
            reply.send(number.0);
        }
        if number.0 % 3 == 0 {
            cx.sleep(MS).await;
        }
    }
}

/// Sends all of its messages, some as requests, whose answers are awaited at the end.
fn sender(node: &Node, to: &Addr<Request>, ends: &Arc<Ends>, sender: u64, seed: u64) -> Addr<Reply<Vec<String>>> {
    let (to, ends) = (to.clone(), Arc::clone(ends));
    node.spawn(async move |mut cx: Context<Reply<Vec<String>>>| {
        let mut dice = Choices(seed * 64 + sender);
        let mut asked: Vec<(u64, Pending<u64>)> = Vec::new();
        for n in 0..EACH {
            let number = sender * EACH + n;
            let message = Numbered(number, Arc::clone(&ends));
            let crashes = dice.below(8) == 0;
            if dice.below(3) == 0 {
                asked.push((number, to.request(|reply| Request { number: message, crashes, reply: Some(reply) })));
            } else if to.send(Request { number: message, crashes, reply: None }).is_err() {
                ends.refused.lock().push(number);
            }
            match dice.below(4) {
                0 => cx.sleep(MS * dice.below(4) as u32).await,
                1 => to.kill(),
                _ => {}
            }
        }
        let reply = cx.recv_message().await;
        let mut answers = Vec::new();
        for (number, pending) in asked {
            answers.push(match pending.await {
                Ok(answer) => {
                    assert_eq!(answer, number);
                    "answered".to_owned()
                }
                Err(CallError::Refused(why)) => {
                    if ends.received.lock().contains(&number) {
                        "refused although it was received".to_owned()
                    } else {
                        ends.refused.lock().push(number);
                        format!("refused: {why:?}")
                    }
                }
                Err(CallError::Exited(_)) => "exited".to_owned(),
                Err(other) => other.to_string(),
            });
        }
        reply.send(answers);
        Ok(())
    })
}

fn run(seed: u64, queue: Queue, policed: bool) {
    Sim::seed(seed).run(async |node: Node| {
        let mut dice = Choices(seed);
        let ends = Arc::new(Ends::default());
        // Now and then its patience is soon at an end.
        let patience = if dice.below(4) == 0 { 3 } else { 10_000 };
        let is_patient = patience == 10_000;
        let sup = DynamicSupervisor::new().intensity(patience, Duration::from_secs(3600)).restart(Restart::Temporary);
        let sup = sup.start(&node).await.unwrap();
        let spec = child_fn(fragile).queue(queue);
        let spec = if policed { spec.mailbox(Policy::bounded(1_000)) } else { spec };
        let addr = sup.start_child(spec).await.unwrap();
        let senders: Vec<_> = (0..SENDERS).map(|n| sender(&node, &addr, &ends, n, seed)).collect();
        let early = dice.below(3) == 0;
        if early {
            pass(&node, MS * dice.below(20) as u32).await;
        } else {
            pass(&node, 1_000 * MS).await;
            let stats = addr.stats();
            if is_patient && matches!(queue, Queue::Keep { .. }) {
                assert_eq!((addr.depth(), stats.dropped_in_all()), (0, 0), "all that was sent is received");
                assert!(ends.refused.lock().is_empty());
            }
        }
        if dice.below(2) == 0 {
            sup.kill()
        } else {
            sup.stop(ExitReason::Shutdown).await
        }
        addr.closed().await;
        quiet(&node).await;
        for sender in senders {
            for answer in sender.call(|reply| reply).await.unwrap() {
                let fits = match queue {
                    _ if answer == "answered" || answer == "exited" => true,
                    Queue::Keep { .. } => false,
                    _ => answer == "refused: Vacant",
                };
                assert!(fits, "{answer}");
            }
        }
        let mut dropped = std::mem::take(&mut *ends.dropped.lock());
        dropped.sort_unstable();
        assert_eq!(dropped, (0..SENDERS * EACH).collect::<Vec<_>>(), "each message ends once");
        let received = std::mem::take(&mut *ends.received.lock());
        for sender in 0..SENDERS {
            let of_sender = received.iter().filter(|number| **number / EACH == sender).collect::<Vec<_>>();
            assert!(of_sender.is_sorted_by(|a, b| a < b), "in order, and once");
        }
        let refused = std::mem::take(&mut *ends.refused.lock());
        assert!(refused.iter().all(|number| !received.contains(number)), "received or refused, not both");
        let stats = addr.stats();
        assert_eq!((stats.received, stats.depth), (received.len() as u64, 0));
        if !matches!(queue, Queue::Return) {
            assert_eq!(stats.dropped(Dropped::Returned), 0);
        }
        if queue == Queue::Drop && is_patient && !early {
            let accounted = stats.received + stats.dropped_in_all() + refused.len() as u64;
            assert_eq!(accounted, SENDERS * EACH, "each message is in one column");
        }
        assert!(matches!(addr.send(last(&ends)).unwrap_err().why, Refused::Closed(_)));
        assert_eq!((sup.tracked(), addr.pid()), (0, None));
    });
}

fn last(ends: &Arc<Ends>) -> Request {
    Request { number: Numbered(u64::MAX, Arc::clone(ends)), crashes: false, reply: None }
}

/// DEV-01.
// OTP: F16, D6, G41
#[test]
fn every_message_ends_once_and_every_caller_is_answered_in_each_mode() {
    for seed in 0..SEEDS {
        for queue in [Queue::Drop, Queue::keep(), Queue::Return] {
            for policed in [false, true] {
                let ran = std::panic::catch_unwind(|| run(seed, queue, policed));
                if let Err(failure) = ran {
                    eprintln!("seed {seed}, {queue:?}, policed: {policed}");
                    std::panic::resume_unwind(failure);
                }
            }
        }
    }
}
