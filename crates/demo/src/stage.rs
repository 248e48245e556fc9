//! Puts one variant through a scenario, on real threads and in real time.
//!
//! Two runtime workers serve the instances; one thread is the load, one renews the leases, the calling one takes the
//! samples. The lease thread asks each instance to renew every 0.7 s: the naive ones by a message to their own supervisor,
//! Freeboard's beside it. Nothing here depends on the variant: when a run is over, too, the samples decide.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::generator::Generator;
use crate::instance::{INSTANCES, Instance, Variant, put_up};
use crate::machine::{Ticks, WORKERS, cores, rss_mb};
use crate::plan::Arrivals;
use crate::recorder::Recorder;
use crate::ring::HEARTBEAT_US;
use crate::scenario::{PLAIN_AFTER_US, REST_US, Scenario};
use crate::stopwatch::{MILLI, SECOND};
use crate::timeline::{InstanceSample, SAMPLE_US, Sample, Timeline, calm, reckon, recovered_at};
use crate::verdict::growing;

/// The generator sends what is due this often: a thread cannot sleep for less than about 0.1 ms anyway.
const GENERATOR_STEP_US: u64 = MILLI / 2;
/// It looks at least this often whether the run is over.
const GENERATOR_LOOK_US: u64 = 20 * MILLI;
/// What is still running when a run is over may take this long to go.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// A runtime as each variant gets one: two workers, on any machine.
///
/// # Panics
/// When the system gives no threads.
#[must_use]
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("worker")
        .enable_time()
        .build()
        .expect("the system gives two threads")
}

/// Runs `variant` through `scenario`, showing each sample to `progress`.
///
/// # Panics
/// When the system gives no threads, or one of the demo's own threads panics.
pub fn run(variant: Variant, scenario: &Scenario, mut progress: impl FnMut(&Sample)) -> Timeline {
    let runtime = runtime();
    let recorder = Recorder::new(&scenario.plan, INSTANCES);
    let instances = put_up(variant, runtime.handle(), &recorder);
    let mut sampler = Sampler {
        planned: scenario.plan.arrivals(),
        planned_count: 0,
        recorder: &recorder,
        instances: &instances,
        started: 0,
        at_us: 0,
        before_storm: None,
    };
    let (samples, generator) = thread::scope(|scope| {
        let (stop_load, load_stopped) = channel::<()>();
        let (stop_leases, leases_stopped) = channel::<()>();
        let generator = Generator::new(scenario.plan.arrivals(), scenario.storm, scenario.retry_us);
        let (recorder, instances) = (&*recorder, instances.as_slice());
        let load = thread::Builder::new()
            .name("load".to_owned())
            .spawn_scoped(scope, move || generate(generator, recorder, instances, &load_stopped))
            .expect("the system gives a thread");
        thread::Builder::new()
            .name("leases".to_owned())
            .spawn_scoped(scope, move || renew(recorder, instances, &leases_stopped))
            .expect("the system gives a thread");
        let samples = sampler.until_over(scenario, &mut progress);
        drop((stop_load, stop_leases));
        (samples, load.join().expect("the load thread does not panic"))
    });
    let cores_left = sampler.before_storm.zip(Ticks::now()).map(|(before, now)| now.cores_left(&before, cores()));
    let end_us = samples.last().map_or(0, |sample| sample.at_us);
    let (members_lost, heartbeats) = {
        let ring = recorder.ring();
        (ring.lost(), ring.heartbeats(end_us))
    };
    for instance in &instances {
        instance.stop();
    }
    runtime.shutdown_timeout(SHUTDOWN);
    let reckoning = reckon(&scenario.plan, &recorder, &scenario.storm, end_us);
    Timeline {
        storm: scenario.storm,
        end_us,
        baseline_per_s: scenario.baseline_per_s,
        samples,
        account: reckoning.account,
        tail: reckoning.tail,
        members_lost,
        heartbeats,
        lag: generator.lag(),
        cores_left,
        latencies: reckoning.latencies,
    }
}

/// The load thread.
fn generate(
    mut generator: Generator,
    recorder: &Recorder,
    instances: &[Box<dyn Instance>],
    stopped: &Receiver<()>,
) -> Generator {
    let clock = recorder.clock();
    let mut view = Vec::with_capacity(instances.len());
    while stopped.try_recv() == Err(TryRecvError::Empty) {
        let now_us = clock.now_us();
        {
            let mut ring = recorder.ring();
            ring.refresh(now_us);
            view.clear();
            view.extend_from_slice(ring.view());
        }
        let next_us = generator.step(
            now_us,
            &view,
            |row| recorder.answer_of(row).is_some(),
            |member, request| {
                recorder.offered(member);
                instances[member].offer(request);
            },
        );
        let wake_us = next_us.unwrap_or(u64::MAX).clamp(now_us + GENERATOR_STEP_US, now_us + GENERATOR_LOOK_US);
        clock.sleep_until(wake_us);
    }
    generator
}

/// The lease thread.
fn renew(recorder: &Recorder, instances: &[Box<dyn Instance>], stopped: &Receiver<()>) {
    let clock = recorder.clock();
    let mut due_us = HEARTBEAT_US;
    loop {
        let wait = Duration::from_micros(due_us.saturating_sub(clock.now_us()));
        if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        for (member, instance) in instances.iter().enumerate() {
            recorder.ring().heartbeat_sent(member);
            instance.heartbeat();
        }
        due_us += HEARTBEAT_US;
    }
}

/// Takes the samples.
struct Sampler<'run> {
    planned: Arrivals,
    planned_count: u64,
    recorder: &'run Arc<Recorder>,
    instances: &'run [Box<dyn Instance>],
    started: u64,
    at_us: u64,
    before_storm: Option<Ticks>,
}

impl Sampler<'_> {
    fn until_over(&mut self, scenario: &Scenario, progress: &mut impl FnMut(&Sample)) -> Vec<Sample> {
        let clock = self.recorder.clock();
        let mut samples = Vec::new();
        let mut due_us = SAMPLE_US;
        loop {
            clock.sleep_until(due_us.min(scenario.plan.end_us()));
            let sample = self.take(clock.now_us());
            progress(&sample);
            samples.push(sample);
            if self.at_us <= scenario.storm.start_us || samples.len() == 1 {
                self.before_storm = Ticks::now();
            }
            if is_over(&samples, scenario) {
                return samples;
            }
            // A sampler that overslept takes the next sample at the next full tenth, not several at once.
            due_us = (self.at_us / SAMPLE_US + 1) * SAMPLE_US;
        }
    }

    fn take(&mut self, now_us: u64) -> Sample {
        while self.planned.peek().is_some_and(|arrival| arrival.at_us < now_us) {
            self.planned.next();
            self.planned_count += 1;
        }
        let started: u64 = (0..self.instances.len()).map(|instance| self.recorder.started(instance)).sum();
        let since_us = (now_us - self.at_us).max(1);
        let starts_per_s = (started - self.started) * SECOND / since_us;
        (self.started, self.at_us) = (started, now_us);
        let mut ring = self.recorder.ring();
        ring.refresh(now_us);
        let instances = self.instances.iter().enumerate().map(|(member, instance)| InstanceSample {
            mailbox: instance.mailbox(),
            in_flight: self.recorder.in_flight(member),
            in_ring: ring.holds(member, now_us),
        });
        Sample {
            at_us: now_us,
            planned: self.planned_count,
            answered: self.recorder.answered_total(),
            starts_per_s,
            inspected: self.recorder.inspected_total(),
            instances: instances.collect(),
            rss_mb: rss_mb(),
        }
    }
}

/// Whether a run has shown what it will: it rests after recovery, or grows long after the storm, or its plan is over.
fn is_over(samples: &[Sample], scenario: &Scenario) -> bool {
    let Some(last) = samples.last() else { return false };
    if last.at_us >= scenario.plan.end_us() {
        return true;
    }
    let storm_end_us = scenario.storm.end_us;
    if !scenario.ends_early || last.at_us < storm_end_us {
        return false;
    }
    if let Some(at_us) = recovered_at(samples, storm_end_us, calm(scenario.baseline_per_s)) {
        return last.at_us >= at_us + REST_US;
    }
    let storm_end = samples.iter().find(|sample| sample.at_us >= storm_end_us).unwrap_or(last);
    last.at_us >= storm_end_us + PLAIN_AFTER_US
        && growing(storm_end.waiting(), last.waiting(), last.planned - storm_end.planned)
}
