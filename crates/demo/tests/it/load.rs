//! The generator and the account, in made-up time: everybody is offered the same, and every request is answered or waits.

use std::sync::Arc;

use freeboard_demo::generator::Generator;
use freeboard_demo::plan::Plan;
use freeboard_demo::recorder::Recorder;
use freeboard_demo::stopwatch::{MILLI, SECOND};
use freeboard_demo::timeline::{Latency, reckon};

const END: u64 = 4 * SECOND;

fn plan() -> Arc<Plan> {
    Arc::new(Plan::storm_of(1_800, 300, END, 42))
}

#[test]
fn whatever_answers_the_same_requests_are_sent() {
    let plan = plan();
    // One server answers at once, one never, one is looked after irregularly: the load must not notice.
    let drive = |step_us: u64, answers: bool| {
        let mut generator = Generator::new(plan.arrivals(), plan.storm(), None);
        let mut rows = Vec::new();
        for now_us in (0..=END).step_by(step_us as usize) {
            generator.step(
                now_us,
                &[0, 1, 2],
                |_| answers,
                |_, request| rows.push((request.reply_to, request.session)),
            );
        }
        (generator.digest(), rows)
    };
    let reference = drive(MILLI, true);
    assert_eq!(reference, drive(MILLI, false));
    assert_eq!(reference, drive(500 * MILLI, true));
    assert_eq!(reference.0, plan.digest(END));
    assert!(reference.1.iter().enumerate().all(|(index, (row, _))| index == *row));
}

#[test]
fn nothing_is_sent_early_and_a_step_tells_when_the_next_is_due() {
    let plan = plan();
    let mut generator = Generator::new(plan.arrivals(), plan.storm(), None);
    let (mut now_us, mut sent) = (0, 0);
    while let Some(next_us) = generator.step(
        now_us,
        &[0],
        |_| false,
        |_, request| {
            assert!(request.asked_at_us <= now_us);
            assert_eq!(request.deadline_us, request.asked_at_us + 2 * SECOND);
            sent += 1;
        },
    ) {
        assert!(next_us > now_us);
        now_us = next_us;
    }
    assert_eq!(sent, plan.len());
    assert_eq!(generator.lag().worst_us, 0);
}

#[test]
fn callers_ask_again_until_they_are_answered() {
    let plan = Arc::new(Plan::storm_of(1, 1, SECOND, 7));
    let mut generator = Generator::new(plan.arrivals(), plan.storm(), Some(300 * MILLI));
    let mut attempts = Vec::new();
    let mut asked_at = Vec::new();
    for now_us in (0..=2 * SECOND).step_by(10 * MILLI as usize) {
        let enough = attempts.len() >= 3;
        generator.step(
            now_us,
            &[0],
            |_| enough,
            |_, request| {
                attempts.push(request.attempt);
                asked_at.push(request.asked_at_us);
            },
        );
    }
    assert_eq!(attempts, [0, 1, 2]);
    assert_eq!(asked_at[0], asked_at[2], "the wait counts from the first time");
}

#[test]
fn lag_in_the_storm_and_while_catching_up_is_told_apart() {
    let plan = plan();
    let mut generator = Generator::new(plan.arrivals(), plan.storm(), None);
    let mut at = |now_us| generator.step(now_us, &[0], |_| false, |_, _| {});
    at(1_490 * MILLI);
    // The thread gets no time from just before the storm until 0.3 s after it, then keeps up.
    at(1_499 * MILLI);
    at(2_000 * MILLI);
    at(2_010 * MILLI);
    at(2_020 * MILLI);
    let lag = generator.lag();
    assert!(lag.worst_us >= 490 * MILLI, "{lag:?}");
    assert!(lag.calm_us <= 1_490 * MILLI, "{lag:?}");
    let calm_before = lag.calm_us;
    // Having caught up, the same delay counts.
    let mut at = |now_us| generator.step(now_us, &[0], |_| false, |_, _| {});
    at(3_900 * MILLI);
    assert!(generator.lag().calm_us > calm_before);
}

#[test]
fn planned_is_answered_plus_waiting_and_only_the_first_answer_counts() {
    let plan = plan();
    let recorder = Recorder::new(&plan, 3);
    let rows = plan.len() as usize;
    for (row, arrival) in plan.arrivals().enumerate() {
        recorder.offered(row % 3);
        // Two thirds are answered 10 ms after they asked, some of them twice; the rest never.
        if row % 3 != 0 {
            recorder.answered(row % 3, row, arrival.at_us + 10 * MILLI);
            if row % 5 == 0 {
                recorder.answered(row % 3, row, arrival.at_us + SECOND);
            }
        }
    }
    let storm = plan.storm();
    let whole = reckon(&plan, &recorder, &storm, END);
    assert_eq!(whole.account.planned, plan.len());
    assert_eq!(whole.account.planned, whole.account.answered + whole.account.waiting_end);
    let last_ten_ms = plan.arrivals().filter(|arrival| arrival.at_us + 10 * MILLI > END).count() as u64;
    let never = rows.div_ceil(3) as u64;
    assert!((never..=never + last_ten_ms).contains(&whole.account.waiting_end));
    assert_eq!(recorder.answered_total(), plan.len() - never);
    let before_storm_end = plan.arrivals().take_while(|arrival| arrival.at_us < storm.end_us).count() as u64;
    assert_eq!(whole.account.offered_after_storm, plan.len() - before_storm_end);
    assert!(whole.account.waiting_storm_end >= before_storm_end / 3);
    let latencies = whole.latencies.unwrap();
    assert_eq!(latencies.p50, Latency::Answered(10 * MILLI));
    assert!(matches!(latencies.max, Latency::MoreThan(us) if us > 2 * SECOND), "{latencies:?}");
}

#[test]
fn an_account_at_every_moment_adds_up() {
    let plan = plan();
    let recorder = Recorder::new(&plan, 1);
    for (row, arrival) in plan.arrivals().enumerate().filter(|(row, _)| row % 2 == 0) {
        recorder.answered(0, row, arrival.at_us + 700 * MILLI);
    }
    for end_us in (0..=END).step_by(SECOND as usize / 3) {
        let account = reckon(&plan, &recorder, &plan.storm(), end_us).account;
        assert_eq!(account.planned, account.answered + account.waiting_end);
        assert_eq!(account.planned, plan.arrivals().take_while(|arrival| arrival.at_us < end_us).count() as u64);
    }
}

#[test]
fn a_late_answer_is_not_on_time_and_an_answer_after_the_end_is_none() {
    let plan = plan();
    let recorder = Recorder::new(&plan, 1);
    let tail = |at_us: u64| (END - 3 * SECOND..END - SECOND).contains(&at_us);
    let mut in_tail = 0;
    for (row, arrival) in plan.arrivals().enumerate().filter(|(_, arrival)| tail(arrival.at_us)) {
        let late = if in_tail % 4 == 0 { 1 } else { 0 };
        recorder.answered(0, row, (arrival.at_us + 2 * SECOND + late).min(END + late));
        in_tail += 1;
    }
    let share = reckon(&plan, &recorder, &plan.storm(), END).tail;
    assert_eq!(share.planned, in_tail);
    assert_eq!(share.on_time, in_tail - in_tail.div_ceil(4));
}
