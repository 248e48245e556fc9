//! Seats where nobody was ever up: what those hear who asked before the first start, and those who ask later.

use crate::support::{Journal, Notes, idler, inside, oops, seeds, settle, why};
use freeboard_process::sync::Mutex;
use freeboard_process::{
    Ack, Addr, Birth, CallError, Context, DeadLetter, Dropped, ExitReason, InitError, Launch, Launcher, Node, Pending,
    Permit, Pid, Policy, Queue, Refused, Reply, Sim, StartError, Supervision, fan_out, run_actor,
};
use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

const NOT: &str = "not started: ";

/// What a seat can be sent.
enum Msg {
    Tell(#[expect(dead_code, reason = "it is held for its destructor")] Notes<u32>),
    Ask(#[expect(dead_code, reason = "nobody answers")] Reply<u32>),
}

/// What the one start of a [`Server`] does.
#[derive(Clone, Copy)]
enum Init {
    Stops,
    Refuses,
    Ignores,
    Panics,
    Hangs,
    /// Takes the oldest request, and stops then.
    TakesOne,
}

struct Server;

impl freeboard_process::Actor for Server {
    type Msg = Msg;
    type Args = Init;

    async fn init(init: Init, cx: &mut Context<Msg>) -> Result<Self, InitError> {
        match init {
            Init::Stops => Err(InitError::Stop(oops("stop"))),
            Init::Refuses => Err(InitError::Refuse(oops("refuse"))),
            Init::Ignores => Err(InitError::Ignore),
            Init::Panics => panic!("init"),
            Init::Hangs => pending().await,
            Init::TakesOne => {
                let _taken = cx.recv_where(|message| matches!(message, Msg::Ask(_))).await;
                Err(InitError::Stop(oops("took one")))
            }
        }
    }

    async fn handle(&mut self, _: Msg, _: &mut Context<Msg>) -> freeboard_process::Ended {
        Ok(())
    }
}

fn server(init: Init) -> Launcher<Msg> {
    Launcher::new(move |cx| Box::pin(run_actor::<Server>(move || init, cx)))
}

/// Starts it; what its starter hears.
async fn start(node: &Node, launcher: &Launcher<Msg>) -> Result<(), StartError> {
    let (pid, ack) = (launcher.prepare(node)?.pid(), Ack::new());
    let peer = launcher.prepare(node)?;
    assert!(launcher.launch(node, peer.pid(), Birth { ack: Some(ack.clone()), ..Birth::default() }));
    assert_ne!(pid, peer.pid(), "an identity that was not used is not used again");
    Ack::expire(node, &peer, Duration::from_secs(1));
    poll_fn(|cx| ack.poll(cx)).await
}

/// Everybody who came before the first start.
struct Early {
    addr: Addr<Msg>,
    requests: Vec<Pending<u32>>,
    told: Journal<String>,
    dropped: Journal<u32>,
}

impl Early {
    async fn at(node: &Node, addr: &Addr<Msg>) -> Self {
        let (told, dropped) = (Journal::new(), Journal::new());
        addr.cast(Msg::Tell(Notes(dropped.clone(), 1)));
        addr.send(Msg::Tell(Notes(dropped.clone(), 2))).unwrap();
        for way in 0..5 {
            let (addr, told) = (addr.clone(), told.clone());
            node.spawn(async move |mut cx: Context<()>| {
                let heard = match way {
                    0 => why(&addr.call(Msg::Ask).await),
                    1 => why(&addr.call(Msg::Ask).forever().bound().await),
                    2 => why(&fan_out([addr.request(Msg::Ask)]).next().await.unwrap().1),
                    3 => format!("{NOT}{}", addr.closed().await),
                    _ => {
                        let monitor = cx.monitor_seat(&addr);
                        let down = cx.recv_down(monitor).await;
                        assert_eq!(down.pid, cx.node().pid(), "nobody lived there");
                        format!("{NOT}{}", down.reason)
                    }
                };
                told.note(heard);
                Ok(())
            });
        }
        settle(node).await;
        let requests = vec![addr.request(Msg::Ask), addr.request(Msg::Ask)];
        Self { addr: addr.clone(), requests, told, dropped }
    }

    /// All of them hear this, and so do all that come later; nothing is left.
    async fn hear(self, node: &Node, reason: &str) {
        let Self { addr, requests, told, dropped } = self;
        let expected = format!("{NOT}{reason}");
        settle(node).await;
        for pending in requests {
            assert_eq!(why(&pending.await), expected);
        }
        assert_eq!(told.take(), vec![expected.clone(); 5]);
        assert_eq!(dropped.take(), [1, 2]);
        let stats = addr.stats();
        assert_eq!((stats.depth, stats.received, stats.dropped(Dropped::Exited)), (0, 0, 7));
        late(&addr, &expected);
        assert_eq!(addr.ended().map(|reason| reason.to_string()).as_deref(), Some(reason));
        assert_eq!(inside(node, async move |_cx: Context<()>| addr.closed().await.to_string()).await, reason);
    }
}

/// What somebody hears at once who comes when all is over.
fn late(addr: &Addr<Msg>, expected: &str) {
    let refused = |why: Refused| match why {
        Refused::NotStarted(reason) => assert_eq!(format!("{NOT}{reason}"), expected),
        other => panic!("{other:?}"),
    };
    let dropped = Journal::new();
    let tell = || Msg::Tell(Notes(dropped.clone(), 3));
    let sent = addr.send(tell()).unwrap_err();
    assert_eq!((dropped.len(), sent.to_string().contains("the process was never up")), (0, true));
    refused(sent.why);
    refused(addr.downgrade().send(tell()).unwrap_err().why);
    refused(addr.try_reserve().unwrap_err());
    assert_eq!(why(&at_once(addr.request(Msg::Ask))), expected);
    assert_eq!(why(&at_once(addr.call(Msg::Ask))), expected);
    assert_eq!(why(&at_once(addr.recipient::<Reply<u32>>().call(|reply| reply))), expected);
}

impl From<Reply<u32>> for Msg {
    fn from(reply: Reply<u32>) -> Self {
        Self::Ask(reply)
    }
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut std::task::Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

// OTP: F4, F9, A12
#[test]
fn a_first_start_that_fails_tells_all_who_came_before_and_after_that_nobody_was_up() {
    let table = [
        (Init::Stops, "error: stop"),
        (Init::Refuses, "normal"),
        (Init::Ignores, "normal"),
        (Init::Panics, "panic: init"),
        (Init::Hangs, "killed"),
    ];
    for policed in [false, true] {
        for (init, reason) in table {
            seeds(async |node| {
                let launcher = server(init);
                let launcher = if policed { launcher.mailbox(Policy::bounded(100)) } else { launcher };
                let early = Early::at(&node, &launcher.addr()).await;
                assert!(start(&node, &launcher).await.is_err());
                early.hear(&node, reason).await;
            });
        }
    }
}

// OTP: F9, A12
#[test]
fn a_spec_that_is_dropped_or_closed_unstarted_tells_everybody_at_once() {
    seeds(async |node| {
        let dropped = server(Init::Stops);
        let early = Early::at(&node, &dropped.addr()).await;
        let mut waiting = early.addr.request(Msg::Ask);
        assert!(pin!(&mut waiting).poll(&mut std::task::Context::from_waker(Waker::noop())).is_pending());
        drop(dropped);
        assert_eq!(why(&at_once(waiting)), "not started: no such process");
        settle(&node).await;
        assert_eq!(early.told.len(), 5);
        late(&early.addr, "not started: no such process");

        let closed = server(Init::Stops);
        let early = Early::at(&node, &closed.addr()).await;
        closed.close(&oops("unwanted"));
        early.hear(&node, "error: unwanted").await;
    });
}

// OTP: F6, F27
#[test]
fn a_name_that_is_taken_and_a_node_without_room_are_starts_that_nobody_survived() {
    Sim::seed(1).run_with(Node::builder().max_processes(20), async |node: Node| {
        let named = server(Init::Hangs).name("n");
        let early = Early::at(&node, &named.addr()).await;
        node.register("n", &idler(&node)).unwrap();
        assert!(matches!(start(&node, &named).await, Err(StartError::Name(_))));
        early.hear(&node, "normal").await;

        let crowded = server(Init::Hangs);
        let waiting = crowded.addr().request(Msg::Ask);
        while node.process_count() < 20 {
            idler(&node);
        }
        assert!(matches!(start(&node, &crowded).await, Err(StartError::Init(_))));
        assert!(matches!(at_once(waiting), Err(CallError::NotStarted(_))));
        late(&crowded.addr(), &format!("{NOT}{}", crowded.addr().ended().unwrap()));
    });
}

/// Somebody has looked at it, so its caller may not believe that nothing has happened.
// OTP: F9
#[test]
fn a_request_that_init_had_taken_hears_the_reason_and_those_behind_it_that_nobody_was_up() {
    seeds(async |node| {
        for bound in [false, true] {
            let launcher = server(Init::TakesOne);
            let addr = launcher.addr();
            let heard = Journal::new();
            for number in 0..3 {
                let (addr, heard) = (addr.clone(), heard.clone());
                node.spawn(async move |_cx: Context<()>| {
                    let call = addr.call(Msg::Ask).forever();
                    heard.note((number, why(&if bound { call.bound().await } else { call.await })));
                    Ok(())
                });
                // One after the other, so that it is known whose request is the oldest.
                settle(&node).await;
            }
            assert!(start(&node, &launcher).await.is_err());
            settle(&node).await;
            let mut heard = heard.take();
            heard.sort();
            assert_eq!(heard[0], (0, "exited: error: took one".to_owned()), "bound: {bound}");
            assert!(heard[1..].iter().all(|(_, why)| why == "not started: error: took one"), "{heard:?}");
            assert_eq!(heard.len(), 3);
        }
    });
}

/// Says what comes next, as it was told.
struct Next(Mutex<Vec<bool>>);

impl Supervision for Next {
    fn started(&self, _: Pid) {}

    fn comes_back(&self, _: Pid, _: &ExitReason) -> bool {
        self.0.lock().pop().unwrap_or(false)
    }

    fn ended(&self, _: Pid, _: &ExitReason, _: Option<&StartError>) {}
}

/// Comes up at those starts that the list says, the last one first, and ends.
fn now_and_then(ups: Vec<bool>) -> Launcher<Msg> {
    let ups = Arc::new(Mutex::new(ups));
    Launcher::new(move |mut cx: Context<Msg>| {
        let is_up = ups.lock().pop().unwrap_or(false);
        Box::pin(async move {
            if is_up {
                cx.acknowledge();
            }
            cx.sleep(Duration::from_millis(1)).await;
            Err(oops("end"))
        })
    })
}

// OTP: F9, F16
#[test]
fn a_seat_where_somebody_was_up_once_tells_the_exit_reason_although_its_last_start_failed() {
    let seat = async |node: &Node, ups: &[bool], queue: Queue| {
        let launcher = now_and_then(ups.iter().rev().copied().collect()).queue(queue);
        let addr = launcher.addr();
        let (first, mut told) = (addr.request(Msg::Ask), Vec::new());
        let next = Arc::new(Next(Mutex::new(vec![false, true])));
        for _ in 0..2 {
            let pid = launcher.prepare(node).unwrap().pid();
            let supervision = Some(Arc::clone(&next) as Arc<dyn Supervision>);
            assert!(launcher.launch(node, pid, Birth { supervision, ..Birth::default() }));
            crate::support::pause(node, Duration::from_millis(3)).await;
        }
        told.push(why(&at_once(first)));
        told.push(why(&at_once(addr.request(Msg::Ask))));
        told
    };
    seeds(async |node| {
        let (gone, never) = ("exited: error: end", "not started: error: end");
        for (queue, ups, early, later) in [
            (Queue::Drop, [true, false], gone, gone),
            (Queue::Drop, [false, true], never, gone),
            (Queue::Drop, [false, false], never, never),
            (Queue::keep(), [true, false], gone, gone),
            (Queue::keep(), [false, true], gone, gone),
            (Queue::keep(), [false, false], never, never),
            (Queue::Return, [false, false], "Refused(Vacant)", never),
        ] {
            assert_eq!(seat(&node, &ups, queue).await, [early, later], "{queue:?} {ups:?}");
        }
    });
}

// OTP: D11
#[test]
fn whoever_waits_for_room_at_a_seat_that_is_never_started_gets_the_message_back() {
    seeds(async |node| {
        let launcher = server(Init::Stops).mailbox(Policy::bounded(1));
        let addr = launcher.addr();
        // The policy is in force from the first start on.
        launcher.prepare(&node).unwrap();
        let permit: Permit<Msg> = addr.try_reserve().unwrap();
        let (dropped, by) = (Journal::new(), node.now() + Duration::from_secs(5));
        let mut waits = pin!(addr.send_wait(Msg::Tell(Notes(dropped.clone(), 1)), by));
        assert!(waits.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())).is_pending());
        drop(launcher);
        let Err(back) = at_once(waits) else { panic!("it was sent") };
        assert!(matches!(back.why, Refused::NotStarted(ExitReason::NoProc)) && dropped.len() == 0);
        let refused = permit.send(Msg::Tell(Notes(dropped.clone(), 2))).unwrap_err();
        assert!(matches!(refused.why, Refused::NotStarted(ExitReason::NoProc)) && dropped.len() == 0);
    });
}

// OTP: A12
#[test]
fn casts_to_a_start_that_fails_are_dead_letters_also_if_it_was_given_up_before_it_ran() {
    let shown: Journal<(Option<bool>, Dropped)> = Journal::new();
    let hook = shown.clone();
    let settings = Node::builder().dead_letters(move |letter: &DeadLetter<'_>| {
        assert!(letter.message.downcast_ref::<Msg>().is_some());
        hook.note((letter.to.map(|pid| pid.slot() > 0), letter.cause));
    });
    Sim::seed(1).run_with(settings, async |node: Node| {
        let tell = || Msg::Tell(Notes(Journal::new(), 0));
        let fails = server(Init::Stops);
        fails.addr().cast(tell());
        assert!(start(&node, &fails).await.is_err());
        settle(&node).await;
        assert_eq!(shown.take(), [(Some(true), Dropped::Exited)]);

        let given_up = server(Init::Stops);
        given_up.addr().cast(tell());
        given_up.prepare(&node).unwrap();
        drop(given_up);
        assert_eq!(shown.take(), [(None, Dropped::Exited)]);
    });
}

/// On threads, the callers in plain threads: the drop of the spec wakes them.
#[cfg(feature = "blocking")]
#[test]
fn a_thread_that_blocks_in_a_call_hears_of_a_spec_that_is_dropped() {
    let launcher = server(Init::Stops);
    let addr = launcher.addr();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4).map(|_| scope.spawn(|| addr.call_blocking(Msg::Ask))).collect();
        while addr.depth() < 4 {
            std::thread::yield_now();
        }
        drop(launcher);
        for caller in callers {
            assert!(matches!(caller.join().unwrap(), Err(CallError::NotStarted(ExitReason::NoProc))));
        }
    });
    assert!(matches!(addr.call_blocking(Msg::Ask), Err(CallError::NotStarted(ExitReason::NoProc))));
}
