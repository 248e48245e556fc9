//! Calls whose caller has given up: never handed out, dropped where they stand, and counted (deviation DEV-03).

use crate::support::{Journal, Letter, Notes, inside, pause, seeds, settle, why};
use freeboard_process::{Actor, Addr, Context, Dropped, Ended, Event, InitError, Message, Node, Policy, Reply, Tag};
use std::time::Duration;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A request with a number, or a plain number.
type Work = (u32, Option<Reply<u32>>);

/// Takes work when it is told to, in one of several forms of receive, and notes what it gets; a zero lets it go on.
fn worker(node: &Node, journal: &Journal<u32>, form: usize) -> Addr<Work> {
    let journal = journal.clone();
    node.spawn(async move |mut cx: Context<Work>| {
        // While it waits for this, everything else is taken out of the intake and left.
        if form % 2 == 1 {
            cx.recv_where(|(n, _)| *n == 0).await;
        } else {
            cx.sleep(ms(100)).await;
        }
        loop {
            let taken = match form / 2 {
                0 => vec![cx.recv_message().await],
                1 => vec![cx.recv_where(|(n, _)| *n != 0).await],
                2 => {
                    let mut taken = Vec::new();
                    cx.recv_many(&mut taken, 100).await;
                    taken
                }
                _ => match cx.recv().await {
                    Event::Message(message) => vec![message],
                    _ => Vec::new(),
                },
            };
            for (n, reply) in taken {
                journal.note(n);
                if let Some(reply) = reply {
                    reply.send(n);
                }
            }
        }
    })
}

// OTP: F10, M14
#[test]
fn a_call_whose_caller_has_given_up_is_handed_out_by_no_form_of_receive() {
    for form in 0..8 {
        seeds(async |node| {
            let served = Journal::new();
            let server = worker(&node, &served, form);
            let to = server.clone();
            let outcome = inside(&node, async move |_cx: Context<()>| {
                let request = |n| move |reply| (n, Some(reply));
                to.cast((1, None));
                let timed_out = why(&to.call(request(2)).within(ms(10)).await);
                drop(to.request(request(3)));
                let kept = to.request(request(4));
                to.cast((5, None));
                drop(to.request(request(6)).within(ms(10)));
                let patient = to.request(request(7));
                to.cast((0, None));
                (timed_out, why(&kept.await), why(&patient.await))
            })
            .await;
            assert_eq!(outcome, ("Timeout".to_owned(), "answered".to_owned(), "answered".to_owned()));
            settle(&node).await;
            let seen: Vec<_> = served.take().into_iter().filter(|n| *n != 0).collect();
            assert_eq!(seen, [1, 4, 5, 7], "form {form}");
            // One that asks for something else leaves the zero.
            let left = u64::from(form == 2);
            let stats = server.stats();
            let counted = (stats.dropped(Dropped::Abandoned), stats.depth as u64, stats.received);
            assert_eq!(counted, (3, left, 5 - left), "form {form}");
        });
    }
}

// OTP: F10
#[test]
fn a_call_in_the_receivers_hands_is_taken_back_until_it_is_handed_out() {
    seeds(async |node| {
        let served = Journal::new();
        let journal = served.clone();
        // Both requests are swapped out of the intake with the first; the second is abandoned while the first is served.
        let server = node.spawn(async move |mut cx: Context<Work>| {
            loop {
                let (n, _reply) = cx.recv_message().await;
                journal.note(n);
                cx.sleep(ms(50)).await;
            }
        });
        let requests: Vec<_> = (1..=3).map(|n| server.request(move |reply| (n, Some(reply)))).collect();
        pause(&node, ms(10)).await;
        let [first, second, third] = requests.try_into().unwrap_or_else(|_| panic!("three were sent"));
        // The first was handed out: giving it up changes nothing for its server.
        drop((first, second));
        assert_eq!(why(&third.await), "NoReply");
        assert_eq!(served.take(), [1, 3]);
        assert_eq!(server.stats().dropped(Dropped::Abandoned), 1);
    });
}

/// A request by tag and key.
enum Keyed {
    Ask(u64, Reply<u64>),
    Go,
}

impl Message for Keyed {
    const TAGS: &'static [&'static str] = &["Ask", "Go"];

    fn tag(&self) -> Tag<Self> {
        Tag::new(u32::from(matches!(self, Self::Go)))
    }

    fn key(&self) -> Option<freeboard_process::Key<'_>> {
        match self {
            Self::Ask(key, _) => Some((*key).into()),
            Self::Go => None,
        }
    }
}

// OTP: F10
#[test]
fn receives_by_tag_and_key_pass_over_an_abandoned_call() {
    for by_key in [false, true] {
        seeds(async |node| {
            let server = node.spawn(async move |mut cx: Context<Keyed>| {
                cx.recv_tag(Tag::new(1)).await;
                loop {
                    let asked = match by_key {
                        true => cx.recv_key(Tag::new(0), 7_u64).await,
                        false => cx.recv_tag(Tag::new(0)).await,
                    };
                    if let Keyed::Ask(n, reply) = asked {
                        reply.send(n);
                    }
                }
            });
            let timed_out = server.call(|reply| Keyed::Ask(7, reply)).within(ms(1)).await;
            assert_eq!(why(&timed_out), "Timeout");
            let kept = server.request(|reply| Keyed::Ask(7, reply));
            server.cast(Keyed::Go);
            assert_eq!(kept.await.unwrap(), 7);
            assert_eq!(server.stats().dropped(Dropped::Abandoned), 1);
        });
    }
}

struct Slow(Journal<u32>);

impl Actor for Slow {
    type Msg = Work;
    type Args = Journal<u32>;

    async fn init(journal: Journal<u32>, _: &mut Context<Work>) -> Result<Self, InitError> {
        Ok(Self(journal))
    }

    async fn handle(&mut self, (n, reply): Work, cx: &mut Context<Work>) -> Ended {
        self.0.note(n);
        cx.sleep(ms(30)).await;
        if let Some(reply) = reply {
            reply.send(n);
        }
        Ok(())
    }
}

// OTP: F10, M14
#[test]
fn an_actor_under_a_pile_of_timed_out_calls_serves_only_those_who_wait() {
    seeds(async |node| {
        let served = Journal::new();
        let journal = served.clone();
        let server = node.spawn(|cx| freeboard_process::run_actor::<Slow>(|| journal, cx));
        let answers = Journal::new();
        for n in 1..=20 {
            let (to, answers) = (server.clone(), answers.clone());
            node.spawn(async move |_cx: Context<()>| {
                let call = to.call(|reply| (n, Some(reply)));
                // Every fifth one has the patience.
                let call = if n % 5 == 0 { call.forever() } else { call.within(ms(20)) };
                answers.note((n, why(&call.await)));
                Ok(())
            });
        }
        pause(&node, Duration::from_secs(10)).await;
        let answered: Vec<_> =
            answers.take().into_iter().filter(|(_, why)| why == "answered").map(|(n, _)| n).collect();
        assert_eq!(answered.len(), 4);
        assert!(answered.iter().all(|n| n % 5 == 0), "{answered:?}");
        // Whatever was served besides was served when its caller still waited: the one that came first.
        let served = served.take();
        assert!(served.len() <= 5, "{served:?}");
        assert_eq!(server.stats().dropped(Dropped::Abandoned), 20 - served.len() as u64);
    });
}

#[test]
fn what_is_abandoned_is_destructed_once_counted_once_and_shown() {
    let shown = Journal::new();
    let hook = shown.clone();
    freeboard_process::Sim::seed(3).run_with(
        Node::builder().dead_letters(move |letter| hook.note(letter.cause)),
        async |node: Node| {
            let dropped = Journal::new();
            let server = node.spawn(async |mut cx: Context<(Notes<u32>, Reply<u32>)>| {
                cx.sleep(ms(100)).await;
                drop(cx.recv_message().await);
                Ok(())
            });
            for n in 0..3 {
                let note = Notes(dropped.clone(), n);
                let answer = server.call(move |reply| (note, reply)).within(ms(1)).await;
                assert_eq!(why(&answer), "Timeout");
            }
            assert_eq!((dropped.len(), server.stats().depth), (0, 3));
            pause(&node, ms(200)).await;
            assert_eq!(dropped.take(), [0, 1, 2]);
            let stats = server.stats();
            assert_eq!((stats.dropped(Dropped::Abandoned), stats.depth, stats.received), (3, 0, 0));
        },
    );
    assert_eq!(shown.take(), [Dropped::Abandoned; 3]);
}

#[test]
fn a_mailbox_with_a_policy_drops_abandoned_calls_too_and_gives_their_room_back() {
    seeds(async |node| {
        let served = Journal::new();
        let journal = served.clone();
        let server = node
            .spawn_with(Policy::bounded(4), async move |mut cx: Context<Work>| {
                cx.sleep(ms(100)).await;
                loop {
                    let (n, _reply) = cx.recv_message().await;
                    journal.note(n);
                }
            })
            .unwrap();
        for n in 1..=4 {
            let call = server.call(move |reply| (n, Some(reply)));
            let call = if n == 3 { call.within(ms(1_000)) } else { call.within(ms(1)) };
            drop(if n == 3 { None } else { Some(call.await) });
        }
        server.cast((5, None));
        pause(&node, ms(200)).await;
        assert_eq!(served.take(), [5]);
        assert_eq!(server.stats().dropped(Dropped::Abandoned), 3);
        // All four places are there again.
        assert_eq!((6..=10).map(|n| server.send((n, None)).is_ok()).filter(|sent| *sent).count(), 4);
    });
}

// OTP: F16
#[test]
fn what_is_abandoned_says_nothing_about_another_incarnation() {
    seeds(async |node| {
        let served = Journal::new();
        let journal = served.clone();
        let launcher = freeboard_process::Launcher::new(move |mut cx: Context<Work>| {
            let journal = journal.clone();
            Box::pin(async move {
                loop {
                    let (n, _kept) = cx.recv_message().await;
                    journal.note(n);
                    if n == 0 {
                        return Ok(());
                    }
                }
            })
        });
        crate::support::incarnate(&node, &launcher);
        let addr = launcher.addr();
        settle(&node).await;
        let old = addr.request(|reply| (1, Some(reply)));
        addr.cast((0, None));
        settle(&node).await;
        crate::support::incarnate(&node, &launcher);
        let new = addr.request(|reply| (2, Some(reply)));
        drop(old);
        settle(&node).await;
        drop(new);
        assert_eq!(served.take(), [1, 0, 2]);
        addr.cast((0, None));
        settle(&node).await;
    });
}

#[test]
fn a_plain_message_is_never_taken_for_an_abandoned_call() {
    seeds(async |node| {
        let seen = inside(&node, async |mut cx: Context<Letter>| {
            let me = cx.addr();
            let letter = |id| Letter { id, tag: 0, key: id };
            (0..2_000).for_each(|id| me.cast(letter(id)));
            let mut seen = Vec::new();
            while let Some(letter) = cx.recv_message().after(Duration::ZERO).await {
                seen.push(letter.id);
            }
            seen
        })
        .await;
        assert_eq!(seen, (0..2_000).collect::<Vec<_>>());
    });
}
