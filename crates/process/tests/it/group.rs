//! Groups: who is a member, for how long, and what members are told.

use crate::puppet::{Order, ask, noting_puppet, puppet, puppet_seat};
use crate::support::{Journal, ended, everywhere, idler, incarnate, seeds, settle, step_aside, threads};
use freeboard_process::sync::{AtomicUsize, Mutex, Ordering};
use freeboard_process::{
    Addr, Context, Event, ExitReason, Groups, JoinError, KEYS_PER_PROCESS, Node, Policy, Refused, Reply, Sim,
};
use std::sync::Arc;

type Rooms = Groups<&'static str, Order>;

async fn join(rooms: &Rooms, who: &Addr<Order>, group: &'static str) {
    let rooms = rooms.clone();
    ask(who, move |cx| rooms.join(cx, group)).await.unwrap();
}

async fn leave(rooms: &Rooms, who: &Addr<Order>, group: &'static str) -> bool {
    let rooms = rooms.clone();
    ask(who, move |cx| rooms.leave(cx, group)).await
}

// OTP: J11
#[test]
fn a_member_leaves_as_often_as_it_has_joined() {
    seeds(async |node| {
        let rooms = Rooms::new(&node);
        let (one, two) = (puppet(&node), puppet(&node));
        assert!(!leave(&rooms, &one, "a").await);
        for _ in 0..3 {
            join(&rooms, &one, "a").await;
        }
        join(&rooms, &two, "a").await;
        // It is listed once, where it joined first.
        assert_eq!(rooms.members("a"), [one.clone(), two.clone()]);
        assert_eq!(rooms.broadcast("a", Order::Note(1)).delivered, 2);
        for _ in 0..2 {
            assert!(leave(&rooms, &one, "a").await);
            assert_eq!(rooms.members("a"), [one.clone(), two.clone()]);
        }
        assert!(leave(&rooms, &one, "a").await);
        assert!(!leave(&rooms, &one, "a").await);
        assert_eq!((rooms.members("a"), one.ties().keys), (vec![two.clone()], 0));
        join(&rooms, &one, "a").await;
        assert_eq!(rooms.members("a"), [two, one]);
    });
}

// OTP: J11
#[test]
fn death_leaves_every_group_however_often_it_was_joined_and_an_empty_group_is_none() {
    seeds(async |node| {
        let rooms = Rooms::new(&node);
        let (one, two) = (puppet(&node), puppet(&node));
        for group in ["c", "a", "b", "a", "a"] {
            join(&rooms, &one, group).await;
        }
        join(&rooms, &two, "a").await;
        assert_eq!(rooms.groups(), ["c", "a", "b"]);
        one.kill();
        settle(&node).await;
        assert_eq!((rooms.groups(), rooms.members("a")), (vec!["a"], vec![two.clone()]));
        assert!(leave(&rooms, &two, "a").await);
        assert!(rooms.groups().is_empty() && rooms.members("a").is_empty());
        let nobody = rooms.broadcast("a", Order::Note(1));
        assert!(nobody.delivered == 0 && nobody.refused.is_empty());
    });
}

// OTP: J12
#[test]
fn groups_of_different_values_are_independent() {
    seeds(async |node| {
        let (here, there) = (Rooms::new(&node), Rooms::new(&node));
        let one = puppet(&node);
        join(&here, &one, "a").await;
        assert!(there.members("a").is_empty());
        join(&there, &one, "a").await;
        assert!(leave(&here, &one, "a").await);
        assert_eq!((here.members("a").len(), there.members("a")), (0, vec![one.clone()]));
        settle(&node).await;
        drop(there);
        assert_eq!(one.ties().keys, 0);
    });
}

// OTP: J11, A9
#[test]
fn whoever_hears_of_a_members_death_finds_it_in_no_group() {
    async fn look(node: &Node) {
        let (groups, seen) = (Groups::<u8, Reply<()>>::new(node), Journal::new());
        let joins = groups.clone();
        let member = node.spawn(async move |mut cx: Context<Reply<()>>| {
            joins.join(&cx, 1)?;
            joins.join(&cx, 2)?;
            cx.recv_message().await.send(());
            let _last = cx.recv_message().await;
            Ok(())
        });
        member.call(|reply| reply).forever().await.unwrap();
        let (target, looks, journal) = (member.clone(), groups.clone(), seen.clone());
        let watcher = node.spawn(async move |mut cx: Context<Reply<()>>| {
            cx.monitor(&target);
            cx.recv_message().await.send(());
            cx.recv_event_where(|event| matches!(event, Event::Down(_))).await;
            journal.note((looks.groups(), looks.members(&1).len()));
            Ok(())
        });
        watcher.call(|reply| reply).forever().await.unwrap();
        let _last = member.request(|reply| reply);
        watcher.closed().await;
        assert_eq!(seen.take(), [(vec![], 0)]);
    }
    everywhere(look);
}

#[test]
fn the_next_incarnation_is_in_no_group() {
    seeds(async |node| {
        let (rooms, launcher) = (Rooms::new(&node), puppet_seat());
        let addr = launcher.addr();
        for _ in 0..3 {
            incarnate(&node, &launcher);
            assert!(rooms.members("a").is_empty());
            join(&rooms, &addr, "a").await;
            assert_eq!(rooms.broadcast("a", Order::Note(1)).delivered, 1);
            addr.kill();
            settle(&node).await;
        }
    });
}

// OTP: J11
#[test]
fn only_a_living_process_of_the_same_node_joins_and_not_without_bound() {
    let foreign = Sim::seed(1).run(async |node: Node| Rooms::new(&node));
    Sim::seed(1).run(async |node: Node| {
        let (rooms, many) = (Rooms::new(&node), Groups::<usize, Order>::new(&node));
        let escaped = Arc::new(Mutex::new(None));
        let hand_out = Arc::clone(&escaped);
        let brief = node.spawn(async move |cx: Context<Order>| {
            *hand_out.lock() = Some(cx);
            Ok(())
        });
        ended(&node, &brief).await;
        let escaped = escaped.lock().take().unwrap();
        assert_eq!(rooms.join(&escaped, "a"), Err(JoinError::NotRunning));
        assert!(!rooms.leave(&escaped, "a"));
        let one = puppet(&node);
        assert_eq!(ask(&one, move |cx| foreign.join(cx, "a")).await, Err(JoinError::NotRunning));
        let joins = many.clone();
        let last = ask(&one, move |cx| {
            (0..KEYS_PER_PROCESS).for_each(|group| joins.join(cx, group).unwrap());
            (joins.join(cx, 7), joins.join(cx, KEYS_PER_PROCESS))
        });
        assert_eq!(last.await, (Ok(()), Err(JoinError::TooMany)), "a member may join again");
        one.kill();
        settle(&node).await;
        assert!(many.groups().is_empty() && rooms.groups().is_empty());
    });
}

/// What two broadcasters send to many members, between messages of their own to some of them: each member hears each
/// of them in its order.
async fn two_speak(node: &Node, rooms: &Rooms, members: usize) {
    const ROUNDS: u32 = 20;
    let heard: Vec<Journal<u32>> = (0..members).map(|_| Journal::new()).collect();
    let all: Vec<_> = heard.iter().map(|journal| noting_puppet(node, journal)).collect();
    for member in &all {
        join(rooms, member, "a").await;
    }
    let speakers: Vec<Addr<()>> = [0, 1000]
        .map(|base| {
            let (rooms, first) = (rooms.clone(), all[0].clone());
            node.spawn(async move |_cx: Context<()>| {
                for round in 0..ROUNDS {
                    first.cast(Order::Note(base + 2 * round));
                    let done = rooms.broadcast("a", Order::Note(base + 2 * round + 1));
                    assert!(done.refused.is_empty());
                    step_aside().await;
                }
                Ok(())
            })
        })
        .into();
    for speaker in &speakers {
        assert!(matches!(speaker.closed().await, ExitReason::Normal));
    }
    for (place, member) in all.iter().enumerate() {
        // It has received all that was sent before this.
        ask(member, |_| ()).await;
        let notes = heard[place].take();
        for base in [0, 1000] {
            let of_one: Vec<u32> = notes.iter().filter(|n| *n / 1000 == base / 1000).map(|n| n - base).collect();
            let expected: Vec<u32> = (0..2 * ROUNDS).filter(|n| place == 0 || n % 2 == 1).collect();
            assert_eq!(of_one, expected, "member {place}");
        }
        member.kill();
        member.closed().await;
    }
    assert!(rooms.groups().is_empty());
}

// OTP: D1, M6
#[test]
fn what_one_sender_broadcasts_and_sends_is_received_in_its_order() {
    seeds(async |node| two_speak(&node, &Rooms::new(&node), 5).await);
    threads(async |node| {
        for _ in 0..10 {
            two_speak(&node, &Rooms::new(&node), 40).await;
        }
    });
}

#[test]
fn a_member_that_refuses_is_named_and_the_others_are_told() {
    seeds(async |node| {
        let groups = Groups::<(), u32>::new(&node);
        let member = |groups: &Groups<(), u32>| {
            let groups = groups.clone();
            async move |cx: Context<u32>| {
                groups.join(&cx, ())?;
                std::future::pending().await
            }
        };
        let first = node.spawn(member(&groups));
        settle(&node).await;
        let rejects = node.spawn_with(Policy::bounded(2).reject(), member(&groups)).unwrap();
        settle(&node).await;
        let drops = node.spawn_with(Policy::bounded(2).drop_oldest(), member(&groups)).unwrap();
        settle(&node).await;
        let drains = node.spawn(member(&groups));
        settle(&node).await;
        let last = node.spawn(member(&groups));
        settle(&node).await;
        let members = [&first, &rejects, &drops, &drains, &last].map(Addr::clone);
        assert_eq!(groups.members(&()), members);
        for number in 0..2 {
            assert_eq!(groups.broadcast(&(), number).delivered, 5);
        }
        drains.drain();
        let third = groups.broadcast(&(), 2);
        assert_eq!(third.delivered, 3);
        let [(one, Refused::Full), (two, Refused::Draining)] = &third.refused[..] else { panic!("{third:?}") };
        assert!(*one == rejects && *two == drains);
        assert_eq!(members.map(|member| member.depth()), [3, 2, 2, 2, 3]);
    });
}

#[test]
fn a_broadcast_clones_its_message_once_for_every_member_but_one() {
    /// Counts its clones, and panics at one of them.
    struct Counted(Arc<AtomicUsize>, usize);
    impl Clone for Counted {
        fn clone(&self) -> Self {
            let clones = self.0.fetch_add(1, Ordering::Relaxed) + 1;
            assert!(clones != self.1, "no more clones");
            Self(Arc::clone(&self.0), self.1)
        }
    }
    seeds(async |node| {
        let groups = Groups::<u8, Counted>::new(&node);
        let mut members = Vec::new();
        for _ in 0..5 {
            let joins = groups.clone();
            members.push(node.spawn(async move |cx: Context<Counted>| {
                joins.join(&cx, 7)?;
                std::future::pending().await
            }));
            settle(&node).await;
        }
        let clones = Arc::new(AtomicUsize::new(0));
        groups.broadcast(&8, Counted(Arc::clone(&clones), 0));
        assert_eq!(clones.load(Ordering::Relaxed), 0);
        groups.broadcast(&7, Counted(Arc::clone(&clones), 0));
        assert_eq!(clones.load(Ordering::Relaxed), 4);
        // The third clone panics: two have it more, and the group goes on.
        let (sends, again) = (groups.clone(), Counted(Arc::new(AtomicUsize::new(0)), 3));
        let speaker = node.spawn(async move |_cx: Context<()>| {
            sends.broadcast(&7, again);
            Ok(())
        });
        assert!(matches!(ended(&node, &speaker).await, ExitReason::Panic(_)));
        let depths: Vec<usize> = members.iter().map(Addr::depth).collect();
        assert_eq!(depths, [2, 2, 1, 1, 1]);
        assert_eq!(groups.broadcast(&7, Counted(clones, 0)).delivered, 5);
    });
}

#[test]
fn a_large_group_keeps_its_order_while_members_come_and_go() {
    Sim::seed(1).run(async |node: Node| {
        const MANY: usize = 1500;
        let groups = Groups::<u8, u32>::new(&node);
        let members: Vec<Addr<u32>> = (0..MANY)
            .map(|_| {
                let joins = groups.clone();
                node.spawn(async move |cx: Context<u32>| {
                    joins.join(&cx, 7)?;
                    std::future::pending().await
                })
            })
            .collect();
        settle(&node).await;
        // They joined in the order in which the seed let them run.
        let order = groups.members(&7);
        assert_eq!(order.len(), MANY);
        assert_ne!(order, members);
        for (place, member) in order.iter().enumerate() {
            if place % 3 == 0 {
                member.kill();
            }
        }
        settle(&node).await;
        let left: Vec<_> =
            order.iter().enumerate().filter(|(place, _)| place % 3 != 0).map(|(_, m)| m.clone()).collect();
        assert_eq!(groups.members(&7), left);
        assert_eq!(groups.broadcast(&7, 1).delivered, left.len());
        assert!(left.iter().all(|member| member.depth() == 1));
        left.iter().for_each(Addr::kill);
        settle(&node).await;
        assert!(groups.groups().is_empty());
        assert_eq!(idler(&node).ties().keys, 0);
    });
}
