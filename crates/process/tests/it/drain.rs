//! A process that is asked to handle what is queued and to end.

use crate::support::{Journal, ended, incarnate, inside, noting, pause, seeds, settle, threads, watch, why};
use freeboard_process::{
    Actor, Addr, BlockingContext, Context, Dropped, Ended, ExitReason, InitError, Node, Policy, Refused, Reply,
    run_actor,
};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Notes what it handles and how it ends. A `Wait` waits inside of its handler for the message after it.
struct Diary(Journal<String>);

enum Entry {
    Line(&'static str),
    Wait,
    Ask(Reply<&'static str>),
}

impl Actor for Diary {
    type Msg = Entry;
    type Args = Journal<String>;

    async fn init(journal: Journal<String>, _: &mut Context<Entry>) -> Result<Self, InitError> {
        Ok(Self(journal))
    }

    async fn handle(&mut self, entry: Entry, cx: &mut Context<Entry>) -> Ended {
        match entry {
            Entry::Line(line) => self.0.note(format!("{line}, draining: {}", cx.is_draining())),
            Entry::Ask(reply) => reply.send("yes"),
            Entry::Wait => {
                let next = cx.recv_where(|entry| matches!(entry, Entry::Line("late"))).after(3 * MS).await;
                self.0.note(format!("waited for it: {}", next.is_some()));
            }
        }
        Ok(())
    }

    async fn terminate(&mut self, reason: &ExitReason, _: &mut Context<Entry>) {
        self.0.note(format!("terminate: {reason}"));
    }
}

fn diary(node: &Node, journal: &Journal<String>) -> Addr<Entry> {
    let journal = journal.clone();
    node.spawn(move |cx| run_actor::<Diary>(move || journal, cx))
}

// OTP: F27
#[test]
fn an_actor_handles_what_is_queued_terminates_and_ends_normal() {
    seeds(async |node| {
        let journal = Journal::new();
        let actor = diary(&node, &journal);
        let over = watch(&node, &actor).await;
        actor.cast(Entry::Line("one"));
        let answer = actor.request(Entry::Ask);
        actor.cast(Entry::Line("two"));
        actor.drain();
        assert_eq!(answer.await.unwrap(), "yes");
        assert!(matches!(over.await, ExitReason::Normal));
        assert_eq!(journal.take(), ["one, draining: true", "two, draining: true", "terminate: normal"]);
    });
}

#[test]
fn an_idle_process_ends_at_once() {
    seeds(async |node| {
        let journal = Journal::new();
        let actor = diary(&node, &journal);
        let raw = node
            .spawn(async |mut cx: Context<()>| Err(ExitReason::ShutdownWith(format!("{:?}", cx.recv().await).into())));
        settle(&node).await;
        let (one, other) = (watch(&node, &actor).await, watch(&node, &raw).await);
        actor.drain();
        raw.drain();
        assert!(matches!(one.await, ExitReason::Normal) && matches!(other.await, ExitReason::Normal));
        assert_eq!(journal.take(), ["terminate: normal"]);
    });
}

#[test]
fn a_raw_process_ends_at_the_receive_that_would_wait_for_ever() {
    seeds(async |node| {
        let journal = Journal::new();
        let notes = journal.clone();
        let raw = node.spawn(async move |mut cx: Context<u32>| {
            loop {
                // What it has taken it handles to the end, whatever it does meanwhile.
                let first = cx.recv_message().await;
                let second = cx.recv_message().after(MS).await;
                cx.sleep(MS).await;
                notes.note((first, second));
            }
        });
        (1..=3).for_each(|n| raw.cast(n));
        raw.drain();
        assert!(matches!(ended(&node, &raw).await, ExitReason::Normal));
        assert_eq!(journal.take(), [(1, Some(2)), (3, None)]);
        assert_eq!((raw.stats().received, raw.stats().dropped_in_all()), (3, 0));
    });
}

// OTP: A12, F9
#[test]
fn whoever_comes_after_the_drain_is_refused_at_once() {
    seeds(async |node| {
        let busy = node.spawn(async |mut cx: Context<Entry>| {
            cx.sleep(9 * MS).await;
            loop {
                if let Entry::Ask(reply) = cx.recv_message().await {
                    reply.send("yes");
                }
            }
        });
        settle(&node).await;
        let before = busy.request(Entry::Ask);
        busy.drain();
        let start = node.now();
        assert_eq!(why(&busy.call(Entry::Ask).await), "Refused(Draining)");
        assert!(matches!(busy.send(Entry::Wait).unwrap_err().why, Refused::Draining));
        assert!(matches!(busy.try_reserve().unwrap_err(), Refused::Draining));
        assert!(matches!(busy.send_wait(Entry::Wait, start + HOUR).await.unwrap_err().why, Refused::Draining));
        assert_eq!(node.now(), start);
        assert_eq!(before.await.unwrap(), "yes");
        assert_eq!(busy.stats().dropped(Dropped::Rejected), 3, "each message that came back; a permit has none");
    });
}

#[test]
fn a_permit_taken_before_the_drain_is_waited_for() {
    seeds(async |node| {
        let journal = Journal::new();
        let actor = diary(&node, &journal);
        let (used, unused) = (actor.try_reserve().unwrap(), actor.try_reserve().unwrap());
        let pid = actor.pid().unwrap();
        actor.drain();
        settle(&node).await;
        used.send(Entry::Line("late")).unwrap();
        settle(&node).await;
        assert_eq!(journal.take(), ["late, draining: true"]);
        assert!(node.is_alive(pid), "a permit is out");
        drop(unused);
        settle(&node).await;
        assert_eq!(journal.take(), ["terminate: normal"]);
        assert!(!node.is_alive(pid));
    });
}

#[test]
fn those_who_wait_for_room_when_the_drain_begins_get_their_messages_back() {
    seeds(async |node| {
        let slow = node
            .spawn_with(Policy::bounded(1), async |mut cx: Context<u32>| {
                loop {
                    cx.sleep(3 * MS).await;
                    cx.recv_message().await;
                }
            })
            .unwrap();
        slow.send(1).unwrap();
        let to = slow.clone();
        let late = inside(&node, async move |cx: Context<()>| {
            let (wait, clerk) = (to.send_wait(2, cx.now() + HOUR), to.clone());
            cx.node().spawn(async move |_cx: Context<()>| {
                clerk.drain();
                Ok(())
            });
            wait.await.unwrap_err()
        })
        .await;
        assert!(late.message == 2 && matches!(late.why, Refused::Draining));
        assert!(matches!(ended(&node, &slow).await, ExitReason::Normal));
        assert_eq!(slow.stats().received, 1);
    });
}

#[test]
fn a_receive_inside_of_a_handler_goes_on_and_so_does_one_for_a_death_notice_or_an_alias() {
    seeds(async |node| {
        let journal = Journal::new();
        let actor = diary(&node, &journal);
        actor.cast(Entry::Wait);
        actor.drain();
        assert!(matches!(ended(&node, &actor).await, ExitReason::Normal));
        assert_eq!(journal.take(), ["waited for it: false", "terminate: normal"]);

        let slow = node.spawn(async |mut cx: Context<freeboard_process::Alias<u32>>| {
            let client = cx.recv_message().await;
            cx.sleep(5 * MS).await;
            client.cast(7);
            Err(ExitReason::Shutdown)
        });
        let notes = Journal::new();
        let told = notes.clone();
        let waiting = node.spawn(async move |mut cx: Context<u32>| {
            let (alias, monitor) = (cx.alias(), cx.monitor(&slow));
            slow.cast(alias.clone());
            cx.addr().drain();
            told.note(cx.recv_alias(alias.reference()).await);
            cx.recv_down(monitor).await;
            told.note(8);
            let _never = cx.recv_message().await;
            told.note(9);
            Ok(())
        });
        assert!(matches!(ended(&node, &waiting).await, ExitReason::Normal));
        assert_eq!(notes.take(), [7, 8]);
    });
}

#[test]
fn what_a_selective_receive_left_is_still_to_be_handled() {
    seeds(async |node| {
        let notes = Journal::new();
        let told = notes.clone();
        let raw = node.spawn(async move |mut cx: Context<u32>| {
            // It leaves the others, and a timer brings what it waits for: nobody may end it before.
            cx.send_after(5 * MS, 2);
            told.note(cx.recv_where(|n| n % 2 == 0).await);
            loop {
                told.note(cx.recv_message().await);
            }
        });
        raw.cast(1);
        raw.cast(3);
        raw.drain();
        assert!(matches!(ended(&node, &raw).await, ExitReason::Normal));
        assert_eq!(notes.take(), [2, 1, 3]);
    });
}

// OTP: A12
#[test]
fn a_drain_before_the_first_start_is_for_the_first_incarnation_and_ends_with_it() {
    seeds(async |node| {
        let notes = Journal::new();
        let launcher = noting(&notes);
        let addr = launcher.addr();
        addr.send(1).unwrap();
        addr.drain();
        assert!(matches!(addr.send(2).unwrap_err().why, Refused::Draining));
        incarnate(&node, &launcher);
        settle(&node).await;
        assert_eq!((notes.take(), addr.pid()), (vec![1], None));
        // Vacant: there is nobody to drain, and the next one is open.
        addr.drain();
        assert!(matches!(addr.send(3).unwrap_err().why, Refused::Vacant));
        let second = incarnate(&node, &launcher);
        addr.send(4).unwrap();
        settle(&node).await;
        assert_eq!((notes.take(), addr.pid()), (vec![4], Some(second)));
        addr.kill();
        settle(&node).await;
        drop(launcher);
        addr.drain();
        assert!(matches!(addr.send(5).unwrap_err().why, Refused::Closed(_)));
    });
}

#[test]
fn a_drain_twice_is_one_and_a_kill_meanwhile_is_a_kill() {
    seeds(async |node| {
        let slow = node.spawn(async |mut cx: Context<u32>| {
            loop {
                cx.recv_message().await;
                cx.sleep(5 * MS).await;
            }
        });
        (1..=4).for_each(|n| slow.cast(n));
        slow.drain();
        pause(&node, 6 * MS).await;
        slow.drain();
        let over = watch(&node, &slow).await;
        slow.kill();
        assert!(matches!(over.await, ExitReason::Killed));
        let stats = slow.stats();
        assert_eq!((stats.received, stats.dropped(Dropped::Exited), stats.depth), (2, 2, 0));
    });
}

/// A process on a thread of its own is drained like any other.
#[test]
fn a_thread_ends_at_the_receive_that_would_block_for_ever() {
    threads(async |node| {
        let (notes, told) = std::sync::mpsc::channel();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let thread = node.spawn_thread(move |mut cx: BlockingContext<u32>| {
            gone.recv().unwrap();
            notes.send(format!("{:?}", cx.recv_message()?)).unwrap();
            // These have a limit, and it goes on whatever they find.
            notes.send(format!("{:?}", cx.try_recv()?.is_none())).unwrap();
            notes.send(format!("{:?}", cx.recv_timeout(MS)?.is_none())).unwrap();
            notes.send(format!("{:?}", cx.recv_message()?)).unwrap();
            Ok(())
        });
        thread.send(1).unwrap();
        thread.drain();
        go.send(()).unwrap();
        assert!(matches!(ended(&node, &thread).await, ExitReason::Normal));
        assert_eq!(told.into_iter().collect::<Vec<_>>(), ["1", "true", "true"]);
    });
}

#[test]
fn a_call_that_was_handed_out_and_given_up_does_not_hold_a_drain_up() {
    seeds(async |node| {
        let held = Journal::new();
        let journal = held.clone();
        let raw = node.spawn(async move |mut cx: Context<Reply<()>>| {
            loop {
                journal.note(cx.recv_message().await);
            }
        });
        let call = raw.request(|reply| reply);
        settle(&node).await;
        assert_eq!(held.len(), 1);
        let over = watch(&node, &raw).await;
        settle(&node).await;
        // Nothing wakes it from here on but the drain.
        drop(call);
        raw.drain();
        assert!(matches!(over.await, ExitReason::Normal));
    });
}
