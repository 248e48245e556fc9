//! Random operations on both halves, with notices under way, against lists that are simply scanned.

use freeboard_monitor::{Row, Watchers, Watching};
use freeboard_signal::{Pid, Ref};

/// Numbers that depend on the seed only (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// One watcher and one target with signals on their way in both directions, each in order.
#[derive(Default)]
struct World {
    watching: Watching<u32>,
    watchers: Watchers<u32>,
    /// What the watcher has sent: monitor, or demonitor.
    sent: std::collections::VecDeque<(bool, Ref)>,
    /// Notices under way to the watcher.
    notices: std::collections::VecDeque<Ref>,
    dead: bool,
    made: Vec<Ref>,
    taken: Vec<Ref>,
    fired: Vec<Ref>,
}

impl World {
    fn step(&mut self, dice: &mut Dice) {
        match dice.below(10) {
            0..=3 => {
                let monitor = Ref::new(0, self.made.len() as u64);
                self.made.push(monitor);
                self.watching
                    .insert(monitor, Row { pid: Pid::new(0, 1, 1), peer: 1, name: None, tag: None, priority: false });
                self.sent.push_back((true, monitor));
            }
            4..=5 if !self.made.is_empty() => {
                let monitor = self.made[dice.below(self.made.len() as u64) as usize];
                if self.watching.take(monitor).is_some() {
                    self.taken.push(monitor);
                    self.sent.push_back((false, monitor));
                }
            }
            6..=7 => self.arrive(),
            8 => self.notice(),
            _ if dice.below(20) == 0 => self.die(),
            _ => {}
        }
    }

    /// The target receives one signal; a dead one answers each monitor with absence.
    fn arrive(&mut self) {
        match self.sent.pop_front() {
            Some((true, monitor)) if self.dead => self.notices.push_back(monitor),
            Some((true, monitor)) => self.watchers.insert(monitor, 0),
            Some((false, monitor)) => drop(self.watchers.remove(monitor)),
            None => {}
        }
    }

    /// The watcher receives one notice.
    fn notice(&mut self) {
        if let Some(monitor) = self.notices.pop_front()
            && self.watching.take(monitor).is_some()
        {
            self.fired.push(monitor);
        }
    }

    fn die(&mut self) {
        if !std::mem::replace(&mut self.dead, true) {
            let told = std::mem::take(&mut self.watchers).into_entries().map(|(monitor, _)| monitor);
            self.notices.extend(told);
        }
    }
}

// OTP: C1, C2, C6
#[test]
fn every_monitor_is_either_taken_back_or_fires_once() {
    for seed in 1..500 {
        let (mut world, mut dice) = (World::default(), Dice(seed));
        for _ in 0..200 {
            world.step(&mut dice);
        }
        world.die();
        while !world.sent.is_empty() || !world.notices.is_empty() {
            world.arrive();
            world.notice();
        }
        let mut ends: Vec<_> = world.taken.iter().chain(&world.fired).copied().collect();
        ends.sort();
        assert_eq!(ends, world.made, "seed {seed}");
        assert!(world.watching.is_empty() && world.watchers.is_empty());
    }
}

/// The order in which both halves give up what the operations of this seed have put in.
fn order(seed: u64) -> (Vec<Ref>, Vec<Ref>) {
    let mut dice = Dice(seed);
    let (mut watching, mut watchers) = (Watching::default(), Watchers::default());
    for n in 0..300 {
        let monitor = Ref::new(0, n);
        watching.insert(monitor, Row { pid: Pid::new(0, 1, 1), peer: (), name: None, tag: None, priority: false });
        watchers.insert(monitor, ());
        if dice.below(3) == 0 {
            let gone = Ref::new(0, dice.below(n + 1));
            watching.take(gone);
            watchers.remove(gone);
        }
    }
    let rows = watching.into_rows().map(|(monitor, _)| monitor).collect();
    (rows, watchers.into_entries().map(|(monitor, ())| monitor).collect())
}

// OTP: C12
#[test]
fn what_is_left_at_the_end_comes_out_whole_and_in_an_order_of_the_operations_only() {
    for seed in 1..50 {
        let (rows, entries) = order(seed);
        assert_eq!(order(seed), (rows.clone(), entries.clone()));
        let (mut rows, mut entries) = (rows, entries);
        rows.sort();
        entries.sort();
        assert_eq!(rows, entries);
        assert!(rows.len() > 100 && rows.len() < 300, "{}", rows.len());
    }
}
