//! Until when a caller waits: seen by whoever serves it, inherited by the calls made meanwhile, handed on with the reply.

use crate::support::{Journal, inside, pause, seeds, why};
use freeboard_process::{Actor, Addr, CALL_TIMEOUT, Context, Ended, InitError, Node, Reply, run_actor};
use std::time::{Duration, Instant};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Answers nobody, and notes until when each caller waits.
fn deaf(node: &Node, seen: &Journal<Option<Instant>>) -> Addr<Reply<u32>> {
    let seen = seen.clone();
    node.spawn(async move |mut cx: Context<Reply<u32>>| {
        let mut kept = Vec::new();
        loop {
            let reply = cx.recv_message().await;
            assert_eq!(reply.deadline(), cx.deadline());
            seen.note(reply.deadline());
            kept.push(reply);
        }
    })
}

// OTP: F8, M14
#[test]
fn whoever_holds_the_reply_sees_until_when_the_caller_waits() {
    seeds(async |node| {
        let seen = Journal::new();
        let server = deaf(&node, &seen);
        let start = node.now();
        drop(server.call(|reply| reply).within(ms(70)).await);
        drop(server.call(|reply| reply).within(ms(20)).await);
        drop(server.call(|reply| reply).await);
        let third = start + ms(90);
        assert_eq!(seen.take(), [Some(start + ms(70)), Some(third), Some(third + CALL_TIMEOUT)]);
        let patient = server.request(|reply| reply);
        pause(&node, ms(1)).await;
        assert_eq!(seen.take(), [None]);
        server.kill();
        drop(patient.await);
    });
}

enum Job {
    /// Calls somebody else, after a while, and answers when that call ended and how.
    Forward(Option<Reply<(Instant, String)>>),
    /// The same from a message that nobody waits for.
    Note,
}

/// Calls a server that never answers, on behalf of others.
struct Middle {
    deaf: Addr<Reply<u32>>,
    forever: bool,
    notes: Journal<(Instant, String)>,
}

impl Actor for Middle {
    type Msg = Job;
    type Args = Self;

    async fn init(me: Self, _: &mut Context<Job>) -> Result<Self, InitError> {
        Ok(me)
    }

    async fn handle(&mut self, job: Job, cx: &mut Context<Job>) -> Ended {
        // The deadline survives awaits, of which the process is polled several times.
        for _ in 0..3 {
            cx.sleep(ms(10)).await;
        }
        let call = self.deaf.call(|reply| reply);
        let answer = if self.forever { call.forever().await } else { call.await };
        let outcome = (cx.now(), why(&answer));
        match job {
            Job::Forward(Some(reply)) => {
                self.notes.note(outcome.clone());
                reply.send(outcome);
            }
            Job::Forward(None) | Job::Note => self.notes.note(outcome),
        }
        Ok(())
    }
}

/// What the middle notes of its calls, and the server that it calls of its callers.
type Seen = (Journal<(Instant, String)>, Journal<Option<Instant>>);

fn middle(node: &Node, forever: bool) -> (Addr<Job>, Seen) {
    let (notes, seen) = (Journal::new(), Journal::new());
    let me = Middle { deaf: deaf(node, &seen), forever, notes: notes.clone() };
    (node.spawn(|cx| run_actor::<Middle>(|| me, cx)), (notes, seen))
}

// OTP: F8
#[test]
fn a_call_made_while_serving_another_one_inherits_what_is_left_of_its_time() {
    for forever in [false, true] {
        seeds(async |node| {
            let (middle, (notes, seen)) = middle(&node, forever);
            let start = node.now();
            // Both end in the same instant, so the news of the inner one may just make it.
            drop(middle.call(|reply| Job::Forward(Some(reply))).within(ms(200)).await);
            assert_eq!(node.now(), start + ms(200));
            pause(&node, ms(1)).await;
            assert_eq!(notes.take(), [(start + ms(200), "Timeout".to_owned())]);
            assert_eq!(seen.take(), [Some(start + ms(200))]);
        });
    }
}

// OTP: F8
#[test]
fn the_earlier_of_the_own_limit_and_the_inherited_one_counts() {
    seeds(async |node| {
        let (middle, (notes, seen)) = middle(&node, false);
        let start = node.now();
        let answer = middle.call(|reply| Job::Forward(Some(reply))).within(Duration::from_secs(60)).await;
        let end = start + ms(30) + CALL_TIMEOUT;
        assert_eq!(answer.unwrap(), (end, "Timeout".to_owned()));
        assert_eq!((notes.len(), seen.take()), (1, vec![Some(end)]));
    });
}

// OTP: F8
#[test]
fn nothing_is_inherited_once_the_handler_is_through() {
    seeds(async |node| {
        let (middle, (notes, seen)) = middle(&node, false);
        let start = node.now();
        // The second message waits behind the call, and is handled in the poll in which that one's handler ends.
        let call = middle.request(|reply| Job::Forward(Some(reply))).within(ms(100));
        middle.cast(Job::Note);
        assert_eq!(why(&call.await), "Timeout");
        pause(&node, Duration::from_secs(20)).await;
        let ends: Vec<_> = notes.take().into_iter().map(|(end, _)| end - start).collect();
        // A request that was given its limit after it was sent is not known to its server as one with a limit: what the
        // handler calls has a limit of its own.
        assert_eq!(ends, [ms(30) + CALL_TIMEOUT, ms(60) + 2 * CALL_TIMEOUT]);
        assert_eq!(seen.len(), 2);
    });
}

#[test]
fn a_raw_process_serves_a_call_until_its_next_receive() {
    seeds(async |node| {
        let seen = inside(&node, async |mut cx: Context<Option<Reply<u32>>>| {
            let to = cx.addr();
            let start = cx.now();
            let _caller = cx.spawn_link(async move |_cx: Context<()>| {
                drop(to.call(Some).within(ms(70)).await);
                to.cast(None);
                Ok(())
            });
            let mut seen = vec![cx.deadline()];
            let _reply = cx.recv_message().await;
            seen.push(cx.deadline());
            cx.sleep(ms(1)).await;
            seen.push(cx.deadline());
            assert!(cx.recv_message().after(ms(1)).await.is_none());
            seen.push(cx.deadline());
            cx.recv_message().await;
            seen.push(cx.deadline());
            seen.into_iter().map(|deadline| deadline.map(|deadline| deadline - start)).collect::<Vec<_>>()
        })
        .await;
        assert_eq!(seen, [None, Some(ms(70)), Some(ms(70)), None, None]);
    });
}

// OTP: F8, F13
#[test]
fn a_deferred_answer_hands_its_deadline_on() {
    seeds(async |node| {
        let seen = Journal::new();
        let deaf = deaf(&node, &seen);
        let start = node.now();
        let server = node.spawn(async move |mut cx: Context<Option<Reply<String>>>| {
            let kept = cx.recv_message().await;
            // By now the call is not being served any more.
            cx.recv_message().await;
            if let Some(reply) = kept {
                let answer = deaf.call(|reply| reply).forever().on_behalf_of(&reply).await;
                reply.send(why(&answer));
                let request = deaf.request(|reply| reply);
                drop(request);
            }
            Ok(())
        });
        let call = server.call(Some).within(ms(300));
        let to = server.clone();
        node.spawn(async move |mut cx: Context<()>| {
            cx.sleep(ms(10)).await;
            to.cast(None);
            Ok(())
        });
        let answer = call.await;
        assert!(matches!(why(&answer).as_str(), "Timeout" | "answered"));
        assert_eq!(node.now(), start + ms(300));
        pause(&node, ms(1)).await;
        assert_eq!(seen.take().first(), Some(&Some(start + ms(300))));
    });
}

#[test]
fn after_a_batch_of_messages_nothing_is_inherited() {
    seeds(async |node| {
        let seen = inside(&node, async |mut cx: Context<Reply<u32>>| {
            let to = cx.addr();
            let _caller = cx.spawn_link(async move |_cx: Context<()>| {
                drop(to.call(|reply| reply).within(ms(70)).await);
                Ok(())
            });
            let mut batch = Vec::new();
            cx.recv_many(&mut batch, 10).await;
            (batch.len(), batch[0].deadline().is_some(), cx.deadline())
        })
        .await;
        assert_eq!(seen, (1, true, None));
    });
}

/// Receives a call during init, and keeps it.
struct Early(Reply<()>, Journal<bool>);

impl Actor for Early {
    type Msg = Option<Reply<()>>;
    type Args = Journal<bool>;

    async fn init(notes: Journal<bool>, cx: &mut Context<Self::Msg>) -> Result<Self, InitError> {
        let call = cx.recv_message().await.expect("the call comes first");
        notes.note(cx.deadline().is_some());
        Ok(Self(call, notes))
    }

    async fn handle(&mut self, _: Self::Msg, cx: &mut Context<Self::Msg>) -> Ended {
        self.1.note(cx.deadline().is_some() || self.0.is_abandoned());
        Ok(())
    }
}

#[test]
fn a_call_that_init_received_is_not_served_by_the_handlers() {
    seeds(async |node| {
        let notes = Journal::new();
        let journal = notes.clone();
        let addr = node.spawn(move |cx| run_actor::<Early>(|| journal, cx));
        let call = addr.call(Some).within(ms(70));
        let casts = async {
            addr.cast(None);
            addr.cast(None);
        };
        let (answer, ()) = tokio::join!(call, casts);
        assert_eq!((why(&answer).as_str(), notes.take()), ("Timeout", vec![true, false, false]));
    });
}
