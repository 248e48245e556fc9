//! Recipients: a part goes in as a message, and comes back as a part; one that asks is answered.

use crate::support::{Journal, Notes, ended, idler, incarnate, inside, oops, seeds, settle, why};
use freeboard_process::{
    Addr, CallError, Context, Dropped, ExitReason, Launcher, Node, Policy, Queue, Recipient, Refused, Reply, Sim,
};
use std::{future::pending, time::Duration};

/// What a recipient takes.
struct Part(Notes<u32>);

enum Msg {
    Part(Part),
    #[expect(dead_code, reason = "a protocol has more than one part")]
    Other,
}

impl From<Part> for Msg {
    fn from(part: Part) -> Self {
        assert_ne!(part.0.1, 13, "this one cannot be made into a message");
        Self::Part(part)
    }
}

fn takes_nothing(node: &Node, policy: Policy<Msg>) -> Recipient<Part> {
    node.spawn_with(policy, async |_cx: Context<Msg>| pending().await).unwrap().recipient()
}

#[test]
fn parts_and_messages_of_one_sender_are_received_in_order() {
    seeds(async |node| {
        let (seen, dropped) = (Journal::new(), Journal::new());
        let journal = seen.clone();
        let process = node.spawn(async move |mut cx: Context<Msg>| {
            loop {
                if let Msg::Part(part) = cx.recv_message().await {
                    journal.note(part.0.1);
                }
            }
        });
        let recipient: Recipient<Part> = process.recipient();
        for n in 0..50 {
            let part = Part(Notes(dropped.clone(), n));
            if n % 2 == 0 { recipient.cast(part) } else { process.cast(Msg::Part(part)) }
        }
        settle(&node).await;
        assert_eq!(seen.take(), (0..50).collect::<Vec<_>>());
    });
}

#[test]
fn a_refusal_gives_the_part_back_in_every_state() {
    Sim::seed(1).run(async |node: Node| {
        let dropped = Journal::new();
        let refused = |recipient: &Recipient<Part>| {
            let error = recipient.send(Part(Notes(dropped.clone(), 1))).unwrap_err();
            assert_eq!((dropped.len(), error.message.0.1), (0, 1));
            drop(error.message);
            assert_eq!(dropped.take(), [1]);
            error.why
        };
        let launcher = Launcher::new(|mut cx: Context<Msg>| {
            Box::pin(async move {
                cx.acknowledge();
                Ok(())
            })
        });
        let launcher = launcher.queue(Queue::Return);
        let addr = launcher.addr();
        let recipient: Recipient<Part> = addr.recipient();
        assert!(recipient.send(Part(Notes(Journal::new(), 1))).is_ok(), "it waits for the first start");
        incarnate(&node, &launcher);
        settle(&node).await;
        assert!(matches!(refused(&recipient), Refused::Vacant) && recipient.pid().is_none());
        drop(launcher);
        assert!(matches!(refused(&recipient), Refused::Closed(ExitReason::Normal)));
        let weak = recipient.downgrade();
        drop((recipient, addr));
        assert!(weak.upgrade().is_none());
        let gone = weak.send(Part(Notes(dropped.clone(), 2))).unwrap_err();
        assert!(matches!(gone.why, Refused::Closed(ExitReason::NoProc)) && dropped.len() == 0);
        // A full mailbox that rejects, and one that drains.
        let full = node.spawn_with(Policy::bounded(1), async |_cx: Context<Msg>| pending().await).unwrap();
        full.recipient().cast(Part(Notes(Journal::new(), 1)));
        assert!(matches!(refused(&full.recipient()), Refused::Full));
        assert_eq!((full.stats().dropped(Dropped::Rejected), full.depth()), (1, 1));
        full.drain();
        assert!(matches!(refused(&full.recipient()), Refused::Draining));
    });
}

#[test]
fn a_policy_that_drops_takes_parts_and_a_conversion_that_panics_costs_no_room() {
    Sim::seed(1).run(async |node: Node| {
        let dropped = Journal::new();
        let part = |n| Part(Notes(dropped.clone(), n));
        let recipient = takes_nothing(&node, Policy::bounded(2).drop_oldest());
        (0..5).for_each(|n| recipient.send(part(n)).unwrap());
        assert_eq!(dropped.take(), [0, 1, 2]);
        let recipient = takes_nothing(&node, Policy::bounded(2));
        recipient.send(part(5)).unwrap();
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| recipient.send(part(13))));
        assert!(failed.is_err());
        recipient.send(part(6)).unwrap();
        assert!(recipient.send(part(7)).is_err());
    });
}

#[test]
fn a_recipient_is_its_seat_to_those_who_compare_watch_and_link() {
    seeds(async |node| {
        let process = node.spawn(async |_cx: Context<Msg>| pending().await);
        let recipient: Recipient<Part> = process.recipient();
        assert!(recipient == process.recipient() && recipient == recipient.clone());
        let other = node.spawn(async |_cx: Context<Msg>| pending().await);
        assert!(recipient != other.recipient());
        assert_eq!(format!("{recipient:?}"), format!("Recipient({})", process.pid().unwrap()));
        let watched = recipient.clone();
        let reason = inside(&node, async move |mut cx: Context<()>| {
            cx.trap_exit(true);
            cx.link(&watched);
            cx.unlink(&watched);
            let monitor = cx.monitor(&watched);
            cx.exit(&watched, ExitReason::Shutdown);
            let down = cx.recv_down(monitor).await;
            (down.reason.to_string(), cx.recv().after(std::time::Duration::from_secs(1)).await.is_none())
        })
        .await;
        assert_eq!(reason, ("shutdown".to_owned(), true));
        assert_eq!((format!("{recipient:?}"), recipient.pid()), ("Recipient(nobody)".to_owned(), None));
        drop(idler(&node));
    });
}

/// A part that asks for its number.
struct Ask(u32, Reply<u32>);

enum Office {
    Ask(Ask),
    Rest(Duration),
}

impl From<Ask> for Office {
    fn from(ask: Ask) -> Self {
        Self::Ask(ask)
    }
}

/// Answers what it is asked, in order; a zero is kept unanswered and ends it.
fn office(node: &Node, policy: Policy<Office>, served: &Journal<u32>) -> Addr<Office> {
    let served = served.clone();
    let body = async move |mut cx: Context<Office>| {
        loop {
            match cx.recv_message().await {
                Office::Rest(time) => cx.sleep(time).await,
                Office::Ask(Ask(0, _unanswered)) => return Err(oops("zero")),
                Office::Ask(Ask(n, reply)) => {
                    served.note(n);
                    reply.send(n);
                }
            }
        }
    };
    node.spawn_with(policy, body).unwrap()
}

#[test]
fn a_call_of_a_recipient_is_answered_or_says_why_not() {
    seeds(async |node| {
        let served = Journal::new();
        let office = office(&node, Policy::bounded(3), &served);
        let asks: Recipient<Ask> = office.recipient();
        let call = async |n| asks.call(|reply| Ask(n, reply)).await;
        assert_eq!(call(7).await.unwrap(), 7);
        office.cast(Office::Rest(Duration::from_secs(6)));
        settle(&node).await;
        // The default limit, and one of its own; whoever has given up is not served (DEV-03).
        let before = node.now();
        assert!(matches!(call(1).await, Err(CallError::Timeout)));
        assert_eq!(node.now() - before, Duration::from_secs(5));
        let short = asks.call(|reply| Ask(2, reply)).within(Duration::from_millis(10));
        assert!(matches!(short.await, Err(CallError::Timeout)));
        assert_eq!(asks.call(|reply| Ask(3, reply)).forever().await.unwrap(), 3);
        assert_eq!((served.take(), office.stats().dropped(Dropped::Abandoned)), (vec![7, 3], 2));
        // Sent now, awaited later; dropped, it is not served either.
        office.cast(Office::Rest(Duration::from_secs(1)));
        settle(&node).await;
        let kept = asks.request(|reply| Ask(4, reply));
        drop(asks.request(|reply| Ask(5, reply)));
        assert_eq!(kept.await.unwrap(), 4);
        settle(&node).await;
        assert_eq!((served.take(), office.stats().dropped(Dropped::Abandoned)), (vec![4], 3));
        // Refused by a full mailbox, by a process that ends, and by one that has ended.
        office.cast(Office::Rest(Duration::from_secs(1)));
        settle(&node).await;
        let dying = asks.request(|reply| Ask(0, reply));
        let behind = asks.request(|reply| Ask(6, reply));
        office.cast(Office::Rest(Duration::ZERO));
        assert!(matches!(call(8).await, Err(CallError::Refused(Refused::Full))));
        assert_eq!(
            (why(&dying.await), why(&behind.await)),
            ("exited: error: zero".into(), "exited: error: zero".into())
        );
        assert_eq!(why(&call(9).await), "exited: error: zero");
        assert_eq!(served.len(), 0);
    });
}

#[test]
fn a_recipient_of_ones_own_cannot_be_called_and_a_served_callers_limit_is_inherited() {
    seeds(async |node| {
        let deaf = node.spawn(async |_cx: Context<Office>| pending().await);
        let server = node.spawn(async move |mut cx: Context<Office>| {
            let (own, slow): (Recipient<Ask>, Recipient<Ask>) = (cx.addr().recipient(), deaf.recipient());
            let own = own.call(|reply| Ask(1, reply)).await;
            assert!(matches!(own, Err(CallError::CallingSelf)), "{own:?}");
            let Office::Ask(Ask(_, reply)) = cx.recv_message().await else { return Ok(()) };
            let began = cx.now();
            let late = slow.call(|reply| Ask(2, reply)).forever().await;
            assert!(matches!(late, Err(CallError::Timeout)), "{late:?}");
            drop(reply);
            Err(oops(if cx.now() - began == Duration::from_secs(1) { "after a second" } else { "at another time" }))
        });
        let asks: Recipient<Ask> = server.recipient();
        let answer = asks.call(|reply| Ask(1, reply)).within(Duration::from_secs(1)).await;
        assert!(answer.is_err());
        assert_eq!(ended(&node, &server).await.to_string(), "error: after a second");
    });
}
