//! The naive mailboxes: one pass from the head, then only what arrives, counted message by message.

use std::future::Future;
use std::pin::pin;
use std::task::{self, Poll, Waker};

use freeboard::prelude::*;
use freeboard_demo::naive::queue::{Inbox, Mail, Post, counted};
use freeboard_demo::naive::{contiguous, indexed, linked};
use freeboard_demo::request::Request;
use freeboard_demo::timeline::Depth;

fn request(session: u64) -> Mail {
    Mail::Start(Request::new(session, 0, 0, 0))
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut task::Context::from_waker(Waker::noop()))
}

fn ready<F: Future>(future: F) -> F::Output {
    match poll(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits although the message is there"),
    }
}

/// Runs the same story with both scanning mailboxes.
macro_rules! both {
    ($name:ident, $story:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn linked() {
                let (post, inbox) = linked::mailbox();
                $story(post, inbox);
            }

            #[test]
            fn contiguous() {
                let (post, inbox) = contiguous::mailbox();
                $story(post, inbox);
            }
        }
    };
}

both!(one_pass_from_the_head_then_only_new_arrivals, one_pass);
fn one_pass<Q: Inbox>(post: Q::Post, mut inbox: Q) {
    for session in 0..100 {
        post.post(request(session));
    }
    let mut ack = pin!(inbox.ack(7));
    assert_eq!(poll(ack.as_mut()), Poll::Pending);
    assert_eq!(poll(ack.as_mut()), Poll::Pending);
    post.post(request(100));
    post.post(Mail::Exit(3));
    assert_eq!(poll(ack.as_mut()), Poll::Pending);
    post.post(Mail::Ack(8));
    post.post(Mail::Ack(7));
    post.post(request(101));
    // 100 queued, 2 arrived, the wrong ack, the right one: each looked at once, however often it was polled.
    assert_eq!(poll(ack.as_mut()), Poll::Ready(104));
}

both!(what_was_passed_over_stays_in_order, in_order);
fn in_order<Q: Inbox>(post: Q::Post, mut inbox: Q) {
    let mail = [request(1), Mail::Ack(1), Mail::Exit(4), Mail::Heartbeat, Mail::Ack(2), request(2)];
    mail.iter().cloned().for_each(|mail| post.post(mail));
    assert_eq!(ready(inbox.ack(2)), 5);
    assert_eq!(ready(inbox.ack(1)), 2);
    post.post(request(3));
    let left: Vec<Mail> = (0..5).map(|_| ready(inbox.next())).collect();
    assert_eq!(left, [request(1), Mail::Exit(4), Mail::Heartbeat, request(2), request(3)]);
    assert_eq!(poll(pin!(inbox.next())), Poll::Pending);
}

both!(a_dropped_receive_takes_nothing, dropped);
fn dropped<Q: Inbox>(post: Q::Post, mut inbox: Q) {
    post.post(request(1));
    {
        let mut ack = pin!(inbox.ack(1));
        assert!(poll(ack.as_mut()).is_pending());
        post.post(request(2));
        assert!(poll(ack.as_mut()).is_pending());
    }
    assert_eq!([ready(inbox.next()), ready(inbox.next())], [request(1), request(2)]);
}

both!(a_deep_mailbox_is_dropped_without_recursion, deep);
fn deep<Q: Inbox>(post: Q::Post, mut inbox: Q) {
    for session in 0..200_000 {
        post.post(request(session));
    }
    assert_eq!(ready(inbox.next()), request(0), "half of it lies with the reader");
    for session in 0..200_000 {
        post.post(request(session));
    }
    drop(inbox);
    drop(post);
}

both!(the_split_of_a_mailbox_is_counted_at_both_ends, split);
fn split<Q: Inbox>(post: Q::Post, inbox: Q) {
    let (door, mut desk) = counted(post, inbox);
    [request(1), Mail::Exit(1), Mail::Exit(2), Mail::Heartbeat, Mail::Ack(9)]
        .into_iter()
        .for_each(|mail| door.post(mail));
    assert_eq!(door.depth(), Depth { requests: 1, exits: 2, heartbeats: 1 });
    assert_eq!(ready(desk.ack(9)), 5);
    assert_eq!(ready(desk.next()), request(1));
    assert_eq!(ready(desk.next()), Mail::Exit(1));
    assert_eq!(door.depth(), Depth { requests: 0, exits: 1, heartbeats: 1 });
}

#[test]
fn a_request_is_64_bytes() {
    assert_eq!(size_of::<Request>(), 64);
}

#[test]
fn the_indexed_mailbox_looks_at_each_message_once_and_then_finds_at_any_depth() {
    Sim::seed(1).run(async |node: Node| {
        let (done, answer) = tokio::sync::oneshot::channel();
        node.spawn(async move |cx: Context<Mail>| {
            let (post, mut inbox) = indexed::mailbox(cx);
            let mut looks = Vec::new();
            (0..10_000).for_each(|session| post.post(request(session)));
            for pid in 0..100 {
                post.post(Mail::Ack(pid));
                looks.push(inbox.ack(pid).await);
            }
            let first = inbox.next().await;
            drop(done.send((looks, first)));
            Ok(())
        });
        let (looks, first) = answer.await.unwrap();
        assert_eq!(looks[0], 10_001, "the whole flood is passed once, with the acknowledgement behind it");
        assert_eq!(looks[1..], [1; 99], "and never again");
        assert_eq!(first, request(0));
    });
}
