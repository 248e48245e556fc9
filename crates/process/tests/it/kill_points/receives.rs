//! Receives that are cut off: every message is dropped once, and no alias outlives its process.

use super::is_struck;
use crate::strike::{Plan, at_every_point};
use crate::support::{Journal, Letter, Notes, step_aside};
use freeboard_process::{Addr, Alias, AliasMode, AliasOptions, Context, Key, Message, Tag, tag_named};
use std::time::Duration;

/// A letter whose end is noted.
struct Kept(Letter, #[expect(dead_code, reason = "it is held for its destructor")] Notes<u64>);

impl Message for Kept {
    const TAGS: &'static [&'static str] = Letter::TAGS;

    fn tag(&self) -> Tag<Self> {
        Tag::new(self.0.tag)
    }

    fn key(&self) -> Option<Key<'_>> {
        self.0.key()
    }
}

/// Whether the messages from 0 to there were dropped, each of them once.
fn each_once(at: &str, dropped: &Journal<u64>, count: u64) {
    let mut dropped = dropped.take();
    dropped.sort_unstable();
    assert_eq!(dropped, (0..count).collect::<Vec<_>>(), "{at}");
}

// OTP: E3, A12
#[test]
fn every_message_is_dropped_once_wherever_a_nested_receive_is_cut_off() {
    at_every_point(|node, stepper| {
        let dropped = Journal::new();
        let notes = dropped.clone();
        let receive = async |mut cx: Context<Kept>| {
            let ms = Duration::from_millis;
            cx.send_after(ms(1), Kept(Letter { id: 90, tag: 2, key: 0 }, Notes(Journal::new(), 90)));
            while let Some(outer) = cx.recv_where(|kept| kept.0.id.is_multiple_of(3)).after(ms(5)).await {
                let inner = cx.recv_key(tag_named("Answer"), outer.0.id).after(ms(2)).await;
                step_aside().await;
                drop(inner);
                if let Some(last) = cx.recv_tag(tag_named("Other")).after(Duration::ZERO).await {
                    step_aside().await;
                    drop(last);
                }
                drop(outer);
            }
            Ok(())
        };
        let feed = |to: &Addr<Kept>| {
            let (to, notes) = (to.clone(), notes.clone());
            node.spawn(async move |_cx: Context<()>| {
                for id in 0..12 {
                    to.cast(Kept(Letter { id, tag: (id % 2) as u32, key: id - id % 3 }, Notes(notes.clone(), id)));
                    if id % 4 == 1 {
                        step_aside().await;
                    }
                }
                Ok(())
            });
        };
        Plan::new(stepper, || node.spawn(receive), feed, move |at, _| each_once(at, &dropped, 12))
    });
}

// OTP: C12, C14, C15
#[test]
fn aliases_lose_no_message_and_leave_nothing_behind_wherever_their_process_is_struck() {
    at_every_point(|node, stepper| {
        let dropped = Journal::new();
        let notes = dropped.clone();
        // Answers three times through each alias: what comes too late, or goes ahead, is dropped once like everything else.
        let server = node.spawn(async move |mut cx: Context<(Alias<Notes<u64>>, u64)>| {
            while let Some((alias, n)) = cx.recv_message().after(Duration::from_millis(50)).await {
                step_aside().await;
                alias.cast(Notes(notes.clone(), 3 * n));
                drop(alias.send_priority(Notes(notes.clone(), 3 * n + 1)));
                step_aside().await;
                alias.cast(Notes(notes.clone(), 3 * n + 2));
            }
            Ok(())
        });
        let ask = async move |mut cx: Context<Notes<u64>>| {
            for n in 0..5 {
                let alias = match n {
                    0 => cx.priority_alias(),
                    1 => cx.alias_with(AliasOptions::new().once().priority()),
                    2 => cx.monitor_alias(&server, AliasMode::Explicit),
                    3 => cx.monitor_alias(&server, AliasMode::Demonitor),
                    _ => cx.monitor_alias(&server, AliasMode::ReplyDemonitor),
                };
                let name = alias.reference();
                server.cast((alias, n));
                step_aside().await;
                let answer = cx.recv_alias(name).after(Duration::from_millis(5)).await;
                step_aside().await;
                match n {
                    0 | 2 => drop(cx.unalias(name)),
                    _ => drop(cx.demonitor_flush(name)),
                }
                drop(answer);
            }
            cx.sleep(Duration::from_millis(1)).await;
            Ok(())
        };
        Plan::new(
            stepper,
            || node.spawn(ask),
            |_| {},
            move |at, reason| {
                let count = dropped.len();
                each_once(at, &dropped, count as u64);
                assert!(count.is_multiple_of(3), "{at}: {count}");
                assert!(is_struck(&reason) || count == 15, "{at}: {reason}, {count}");
            },
        )
    });
}

// OTP: E8, E17, C15
#[test]
fn every_message_is_dropped_once_wherever_a_receive_by_mark_and_alias_is_cut_off() {
    let ms = Duration::from_millis;
    at_every_point(|node, stepper| {
        let dropped = Journal::new();
        let notes = dropped.clone();
        let aliases = Journal::new();
        let given = aliases.clone();
        let receive = async move |mut cx: Context<Kept>| {
            let alias = cx.priority_alias();
            let name = alias.reference();
            given.note(alias);
            step_aside().await;
            for round in 0_u64..4 {
                let mark = cx.marker();
                step_aside().await;
                let fresh = cx.recv_where(|kept| kept.0.id % 2 == 1).since(mark).after(ms(1)).await;
                let named = cx.recv_alias(name).after(ms(1)).await;
                step_aside().await;
                drop((named, fresh));
                let by_key = cx.recv_key(tag_named("Junk"), round).since(mark).after(Duration::ZERO).await;
                drop(by_key);
                if round == 2 {
                    cx.unalias(name);
                }
            }
            Ok(())
        };
        let feed = |to: &Addr<Kept>| {
            let to = to.clone();
            node.spawn(async move |mut cx: Context<()>| {
                let mut alias = None;
                for id in 0..24 {
                    let kept = Kept(Letter { id, tag: (id % 3) as u32, key: id % 4 }, Notes(notes.clone(), id));
                    alias = alias.or_else(|| aliases.take().pop());
                    match (id % 3, &alias) {
                        (0, Some(alias)) => drop(alias.send_priority(kept)),
                        (1, Some(alias)) => alias.cast(kept),
                        _ => to.cast(kept),
                    }
                    match id % 8 {
                        3 => step_aside().await,
                        7 => cx.sleep(ms(1)).await,
                        _ => {}
                    }
                }
                Ok(())
            });
        };
        Plan::new(stepper, || node.spawn(receive), feed, move |at, _| each_once(at, &dropped, 24))
    });
}
