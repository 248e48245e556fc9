//! Row 13: one supervised child crashes again and again; from the message that makes it crash to the first answer of its
//! next incarnation.
//!
//! The caller asks at once, and again whenever it hears that nobody is there: so an answer can come from nobody but the
//! successor, and the figure holds what a client sees.

use crate::figure::{Bar, Figure};
use crate::machine::{Stopwatch, run};
use crate::pairs::interleave;
use freeboard::prelude::*;
use std::{error::Error, fmt, panic, time::Duration};

const CRASHES: u64 = 2_000;

/// How the child ends.
#[derive(Clone, Copy)]
enum Crash {
    Err,
    Panic,
    /// So many frames below the handler.
    DeepPanic(u32),
}

/// Why it ends.
#[derive(Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken on request")
    }
}

impl Error for Broken {}

struct Fragile {
    /// Which incarnation this is.
    incarnation: u64,
}

enum Msg {
    Crash(Crash),
    Incarnation(Reply<u64>),
}

impl Actor for Fragile {
    type Msg = Msg;
    type Args = ();

    async fn init((): (), cx: &mut Context<Msg>) -> Result<Self, InitError> {
        Ok(Self { incarnation: cx.pid().generation() })
    }

    async fn handle(&mut self, msg: Msg, _: &mut Context<Msg>) -> Ended {
        match msg {
            Msg::Crash(Crash::Err) => Err(Broken)?,
            Msg::Crash(Crash::Panic) => panic!("broken on request"),
            Msg::Crash(Crash::DeepPanic(frames)) => drop(fall(frames)),
            Msg::Incarnation(reply) => reply.send(self.incarnation),
        }
        Ok(())
    }
}

/// Panics so many frames further down, with something to drop in each.
#[inline(never)]
fn fall(frames: u32) -> String {
    if frames == 0 {
        panic!("broken on request");
    }
    let kept = frames.to_string();
    kept + &fall(frames - 1)
}

/// Row 13.
pub(crate) fn measure(rounds: usize) -> Vec<Figure> {
    // Otherwise each panic would be printed; a service would log it elsewhere.
    let hook = panic::take_hook();
    let quiet = |info: &panic::PanicHookInfo<'_>| {
        if info.payload_as_str() != Some("broken on request") {
            eprintln!("{info}");
        }
    };
    panic::set_hook(Box::new(quiet));
    let [err, shallow, deep] =
        interleave(rounds, |how| run(crashes([Crash::Err, Crash::Panic, Crash::DeepPanic(12)][how])));
    panic::set_hook(hook);
    let figure = |case: &str, ours, bar: Option<f64>| {
        let case = format!("crash -> successor answers, {case}");
        Figure::alone(13, &case, "us", ours, bar.map(Bar::AtMost))
    };
    vec![figure("Err", &err, Some(6.0)), figure("panic", &shallow, Some(9.0)), figure("panic 12 deep", &deep, None)]
}

async fn crashes(how: Crash) -> f64 {
    let supervisor = DynamicSupervisor::new().intensity(u32::MAX, Duration::from_secs(1)).start(&Node::new()).await;
    let supervisor = supervisor.expect("a supervisor starts");
    let child = supervisor.start_child(child::<Fragile>(|| ())).await.expect("a child starts");
    let mut last = child.call(Msg::Incarnation).await.expect("the child answers");
    let clock = Stopwatch::start();
    for _ in 0..CRASHES {
        child.send(Msg::Crash(how)).expect("the child lives");
        let next = loop {
            match child.call(Msg::Incarnation).await {
                Ok(incarnation) => break incarnation,
                Err(CallError::Exited(_) | CallError::Refused(_)) => tokio::task::yield_now().await,
                Err(other) => panic!("the call failed for another reason: {other}"),
            }
        };
        assert!(next > last, "incarnation {next} answers after {last}");
        last = next;
    }
    let micros = clock.micros() / CRASHES as f64;
    assert_eq!(supervisor.count_children().active, 1);
    micros
}
