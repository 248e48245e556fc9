//! Death notices at a plain receive: never before what came earlier, and no more than their share while messages wait.

use crate::support::{Journal, inside, mortal, oops, seeds, settle, step_aside, words};
use freeboard_process::{
    Actor, Addr, Context, Down, Ended, Event, Exit, ExitReason, InitError, NOTICE_SHARE, Node, Reply, run_actor,
};
use std::time::Duration;

const SHARE: usize = NOTICE_SHARE as usize;

/// Processes that end when they are told.
fn mortals(node: &Node, count: usize) -> Vec<Addr<ExitReason>> {
    (0..count).map(|_| mortal(node)).collect()
}

/// What a watcher hears, one letter per event, when `dead` monitored processes die before `words` messages come.
async fn storm(node: &Node, dead: usize, words: usize) -> String {
    let targets = mortals(node, dead);
    inside(node, async move |mut cx: Context<usize>| {
        for target in &targets {
            cx.monitor(target);
            target.cast(ExitReason::Shutdown);
        }
        cx.sleep(Duration::from_millis(1)).await;
        (0..words).for_each(|n| cx.addr().cast(n));
        let (mut heard, mut next) = (String::new(), 0);
        while let Some(event) = cx.recv().after(Duration::ZERO).await {
            match event {
                Event::Message(n) => {
                    assert_eq!(n, next, "messages keep their order");
                    next += 1;
                    heard.push('m');
                }
                Event::Down(_) => heard.push('D'),
                other => panic!("{other:?}"),
            }
        }
        heard
    })
    .await
}

/// DEV-16: one notice per four messages while both wait.
// OTP: E1
#[test]
fn a_storm_of_notices_leaves_four_of_five_places_to_messages() {
    seeds(async |node| {
        assert_eq!(storm(&node, 5, 12).await, "DmmmmDmmmmDmmmmDD");
        assert_eq!(storm(&node, 5, 0).await, "DDDDD");
        assert_eq!(storm(&node, 1, 4).await, "Dmmmm");
        assert_eq!(storm(&node, 2, 3).await, "DmmmD");
    });
    let heard = freeboard_process::Sim::seed(1).run(async |node: Node| storm(&node, 500, 400).await);
    assert_eq!(heard.len(), 900);
    // A receive passes a bounded number of notices on its way to the first message, and hands one out then.
    let shared = heard.trim_start_matches('D');
    assert!(heard.len() - shared.len() <= 500 / 64 + 1, "{heard}");
    assert!(shared.starts_with(&"mmmmD".repeat(100)), "{heard}");
}

/// DEV-16: the share is what a request meets that comes in the middle of a storm.
// OTP: E1
#[test]
fn messages_that_come_while_notices_wait_are_looked_for_before_the_next_notice() {
    seeds(async |node| {
        let targets = mortals(&node, 40);
        let heard = inside(&node, async move |mut cx: Context<u32>| {
            for target in &targets {
                cx.monitor(target);
                target.cast(ExitReason::Shutdown);
            }
            cx.sleep(Duration::from_millis(1)).await;
            let mut heard = String::new();
            for round in 0..60 {
                // One message in the intake, behind dozens of notices that are in the inbox already.
                if round % 3 == 0 {
                    cx.addr().cast(round);
                }
                match cx.recv().after(Duration::ZERO).await {
                    Some(Event::Message(_)) => heard.push('m'),
                    Some(_) => heard.push('D'),
                    None => heard.push('-'),
                }
            }
            heard
        })
        .await;
        // Whenever a message is there, and a notice was handed out last, it is the message's turn.
        assert_eq!(heard, "DmDmDD".to_owned() + &"mDD".repeat(18), "{heard}");
    });
}

// OTP: D3, D1
#[test]
fn a_notice_never_comes_before_what_arrived_earlier() {
    seeds(async |node| {
        let heard = inside(&node, async |mut cx: Context<usize>| {
            let me = cx.addr();
            // Each child says its number several times and ends; its DOWN must come behind its last word.
            for child in 0..12 {
                let me = me.clone();
                cx.spawn_monitor(async move |_cx: Context<()>| {
                    for _ in 0..=child % 4 {
                        me.cast(child);
                        step_aside().await;
                    }
                    Err(ExitReason::ShutdownWith(child.to_string().into()))
                });
            }
            let mut left: Vec<_> = (0..12).map(|child| child % 4 + 1).collect();
            let mut downs = 0;
            while downs < 12 {
                match cx.recv().await {
                    Event::Message(child) => left[child] -= 1,
                    Event::Down(down) => {
                        let child: usize = match down.reason {
                            ExitReason::ShutdownWith(text) => text.parse().unwrap(),
                            other => panic!("{other}"),
                        };
                        assert_eq!(left[child], 0, "the DOWN of {child} came before its last word");
                        downs += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
            left
        })
        .await;
        assert_eq!(heard, [0; 12]);
    });
}

// OTP: D2, B6
#[test]
fn an_explicit_exit_keeps_its_place_and_one_of_a_link_may_wait() {
    seeds(async |node| {
        let targets = mortals(&node, 3);
        let sender = mortal(&node);
        let heard = inside(&node, async move |mut cx: Context<&'static str>| {
            cx.trap_exit(true);
            for target in &targets {
                cx.link(target);
                target.cast(oops("link"));
            }
            cx.sleep(Duration::from_millis(1)).await;
            let me = cx.addr();
            for _ in 0..2 {
                me.cast("before");
                me.exit(oops("sent"));
                me.cast("after");
            }
            drop(sender);
            let mut heard = Vec::new();
            while let Some(event) = cx.recv().after(Duration::ZERO).await {
                if let Event::Exit(exit) = &event {
                    assert_eq!(exit.is_of_link(), exit.reason.to_string() == "error: link");
                }
                heard.push(words(&event));
            }
            heard
        })
        .await;
        let mine: Vec<_> = heard.iter().filter(|word| *word != "EXIT error: link").map(String::as_str).collect();
        assert_eq!(mine, ["before", "EXIT error: sent", "after", "before", "EXIT error: sent", "after"]);
        let links: Vec<_> = (0..heard.len()).filter(|&place| heard[place] == "EXIT error: link").collect();
        assert_eq!(links.len(), 3);
        assert!(links[0] == 0 && links[1] > SHARE, "{heard:?}");
    });
}

// OTP: C2, E2
#[test]
fn a_notice_that_is_held_back_is_found_by_its_monitor_and_flushed_by_it() {
    seeds(async |node| {
        let targets = mortals(&node, 6);
        let (down, flushed, rest) = inside(&node, async move |mut cx: Context<&'static str>| {
            let monitors: Vec<_> = targets.iter().map(|target| cx.monitor(target)).collect();
            targets.iter().for_each(|target| target.cast(oops("x")));
            cx.sleep(Duration::from_millis(1)).await;
            cx.addr().cast("one");
            cx.addr().cast("two");
            assert_eq!(words(&cx.recv().await), "DOWN error: x");
            assert_eq!(words(&cx.recv().await), "one");
            // The other five were passed, and are where they were.
            let mut waiting = Vec::new();
            for monitor in monitors {
                waiting.push(cx.recv_down(monitor).after(Duration::ZERO).await.map(|down| down.monitor == monitor));
                if waiting.len() == 3 {
                    break;
                }
            }
            let last = cx.monitor(&targets[5]);
            let flushed = cx.demonitor_flush(last);
            let mut rest = Vec::new();
            while let Some(event) = cx.recv().after(Duration::ZERO).await {
                rest.push(words(&event));
            }
            (waiting.into_iter().flatten().all(|own| own), flushed, rest)
        })
        .await;
        assert!(down);
        // Nobody was there any more, so its own `noproc` is not queued after a flush either.
        assert!(flushed);
        assert!((3..=4).contains(&rest.len()) && rest.contains(&"two".to_owned()), "{rest:?}");
    });
}

/// An actor that notes what it handles.
struct Diary(Journal<char>);

impl Actor for Diary {
    type Msg = Option<(Vec<Addr<ExitReason>>, Reply<()>)>;
    type Args = Journal<char>;

    async fn init(journal: Journal<char>, cx: &mut Context<Self::Msg>) -> Result<Self, InitError> {
        cx.trap_exit(true);
        Ok(Self(journal))
    }

    async fn handle(&mut self, msg: Self::Msg, cx: &mut Context<Self::Msg>) -> Ended {
        match msg {
            Some((targets, reply)) => {
                for (n, target) in targets.iter().enumerate() {
                    match n % 2 {
                        0 => _ = cx.monitor(target),
                        _ => cx.link(target),
                    }
                    target.cast(ExitReason::Shutdown);
                }
                // Everything that follows is there when the next event is handled.
                cx.sleep(Duration::from_millis(1)).await;
                (0..12).for_each(|_| cx.addr().cast(None));
                reply.send(());
            }
            None => self.0.note('m'),
        }
        Ok(())
    }

    async fn handle_down(&mut self, _: Down, _: &mut Context<Self::Msg>) -> Ended {
        self.0.note('n');
        Ok(())
    }

    async fn handle_exit(&mut self, _: Exit, _: &mut Context<Self::Msg>) -> Ended {
        self.0.note('n');
        Ok(())
    }
}

/// DEV-16, in an actor's loop.
// OTP: E1
#[test]
fn an_actor_in_a_storm_of_notices_goes_on_with_its_work() {
    seeds(async |node| {
        let journal = Journal::new();
        let args = journal.clone();
        let actor = node.spawn(async move |cx| run_actor::<Diary>(|| args, cx).await);
        let targets = mortals(&node, 6);
        actor.call(|reply| Some((targets, reply))).await.unwrap();
        settle(&node).await;
        // The request itself was the one message before the storm.
        let heard: String = journal.take().into_iter().collect();
        assert_eq!(heard, "nmmmmnmmmmnmmmmnnn");
        actor.kill();
        settle(&node).await;
    });
}
