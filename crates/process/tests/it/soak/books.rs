//! The books of a soak: what was seen, by whom, and what must hold of it.
//!
//! They know nothing but the list of what the processes noted, and who lives in the end; they share no code with what they
//! judge. Each rule is one function that fails with the event that breaks it.

use freeboard_process::{Pid, Ref, Ties};
use std::collections::{BTreeMap, BTreeSet};

/// The reason of the absent.
const NOPROC: &str = "no such process";

/// One line of the list. The first pid is the process that noted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Born(Pid),
    /// Its supervisor was told.
    Died(Pid, String),
    /// `target` is who was meant and whether it lived; `brittle` if an answer may end the monitor.
    Monitored {
        by: Pid,
        monitor: Ref,
        target: Option<(Pid, bool)>,
        brittle: bool,
    },
    Demonitored {
        by: Pid,
        monitor: Ref,
        active: bool,
        flush: bool,
    },
    Down {
        by: Pid,
        monitor: Ref,
        of: Pid,
        reason: String,
    },
    Linked(Pid, Option<Pid>),
    /// An exit signal was sent.
    ExitSent(Pid, Option<Pid>, String),
    Exit {
        by: Pid,
        from: Pid,
        reason: String,
        of_link: bool,
    },
    /// A call with this number was made, to whoever lived there; `direct` if nobody else was to answer it, `patient` if
    /// nobody ends the caller.
    Called {
        call: u64,
        by: Pid,
        to: Option<Pid>,
        direct: bool,
        patient: bool,
    },
    Answered {
        call: u64,
        how: String,
    },
}

/// A run that has come to rest.
pub(crate) struct Books<'a> {
    pub(crate) seen: &'a [Seen],
    /// Who lives, and what ties them.
    pub(crate) living: &'a BTreeMap<Pid, Ties>,
    /// Whether everybody was ended, so that nobody can still owe an answer.
    pub(crate) is_over: bool,
}

impl Books<'_> {
    pub(crate) fn balance(&self) {
        let deaths = self.one_reason_per_death();
        self.notices_of_monitors(&deaths);
        self.exits_were_sent(&deaths);
        self.calls_are_answered(&deaths);
        self.both_ends_agree();
    }

    fn lives(&self, pid: Pid) -> bool {
        self.living.contains_key(&pid)
    }

    /// Every observer of a death was told the same. Answers the reasons.
    fn one_reason_per_death(&self) -> BTreeMap<Pid, &str> {
        let mut deaths = BTreeMap::new();
        for event in self.seen {
            if let Seen::Died(pid, reason) = event {
                assert!(!self.lives(*pid), "{event:?}, and it lives");
                assert!(deaths.insert(*pid, reason.as_str()).is_none(), "{event:?} a second time");
            }
        }
        for event in self.seen {
            let (of, reason) = match event {
                Seen::Down { of, reason, .. } => (of, reason),
                Seen::Exit { from, reason, of_link: true, .. } => (from, reason),
                _ => continue,
            };
            assert!(!self.lives(*of), "{event:?}, and it lives");
            if reason != NOPROC {
                let known = deaths.entry(*of).or_insert(reason);
                assert_eq!(*known, reason, "{event:?}");
            }
        }
        deaths
    }

    /// One notice for each monitor in force, and a true one; none for one that was taken back.
    fn notices_of_monitors(&self, deaths: &BTreeMap<Pid, &str>) {
        let mut downs: BTreeMap<(Pid, Ref), Vec<(usize, &str)>> = BTreeMap::new();
        let mut taken: BTreeMap<(Pid, Ref), (usize, bool, bool)> = BTreeMap::new();
        let mut made = BTreeSet::new();
        for (place, event) in self.seen.iter().enumerate() {
            match event {
                Seen::Down { by, monitor, reason, .. } => {
                    downs.entry((*by, *monitor)).or_default().push((place, reason));
                }
                Seen::Demonitored { by, monitor, active, flush } => {
                    taken.entry((*by, *monitor)).or_insert((place, *active, *flush));
                }
                Seen::Monitored { by, monitor, .. } => drop(made.insert((*by, *monitor))),
                _ => {}
            }
        }
        assert!(downs.keys().all(|down| made.contains(down)), "a notice of no monitor: {downs:?}");
        for event in self.seen {
            let Seen::Monitored { by, monitor, target, brittle } = event else { continue };
            let fired = downs.get(&(*by, *monitor)).map_or(&[][..], |fired| fired);
            assert!(fired.len() <= 1, "{event:?} fired {fired:?}");
            // Whoever meant a living process is told why that one died; everybody else, that nobody was there.
            let truth = match target {
                Some((pid, true)) => deaths.get(pid).copied(),
                _ => Some(NOPROC),
            };
            assert!(fired.iter().all(|(_, told)| truth.is_none_or(|truth| truth == *told)), "{event:?}: {fired:?}");
            let is_dead = target.is_none_or(|(pid, _)| !self.lives(pid));
            let owed = usize::from(self.lives(*by) && is_dead);
            match taken.get(&(*by, *monitor)) {
                Some((_, true, _)) => assert!(fired.is_empty(), "{event:?} was taken back and fired {fired:?}"),
                Some((place, false, true)) => {
                    assert!(fired.iter().all(|(at, _)| at < place), "{event:?} fired after a flush: {fired:?}");
                }
                Some((_, false, false)) | None if *brittle => {}
                Some((_, false, false)) | None => {
                    assert!(fired.len() >= owed, "{event:?} is owed a notice");
                    assert!(is_dead || fired.is_empty(), "{event:?} fired {fired:?}, and its target lives");
                }
            }
        }
    }

    /// No exit message without a cause: a death and a link, or a signal that was sent.
    fn exits_were_sent(&self, deaths: &BTreeMap<Pid, &str>) {
        let mut sent: BTreeMap<(Pid, Pid, &str), usize> = BTreeMap::new();
        let mut links: BTreeMap<(Pid, Pid), usize> = BTreeMap::new();
        for event in self.seen {
            match event {
                Seen::ExitSent(from, Some(to), reason) => *sent.entry((*from, *to, reason)).or_default() += 1,
                Seen::Linked(one, Some(other)) => *links.entry(pair(*one, *other)).or_default() += 1,
                _ => {}
            }
        }
        for event in self.seen {
            let Seen::Exit { by, from, reason, of_link } = event else { continue };
            let left = if *of_link {
                assert!(reason == NOPROC || deaths.contains_key(from), "{event:?} of one that did not die");
                links.get_mut(&pair(*by, *from))
            } else {
                sent.get_mut(&(*from, *by, reason.as_str()))
            };
            let left = left.filter(|left| **left > 0).unwrap_or_else(|| panic!("{event:?} has no cause"));
            *left -= 1;
        }
    }

    /// Every caller that lived to hear it was answered, once, and by the truth.
    fn calls_are_answered(&self, deaths: &BTreeMap<Pid, &str>) {
        let mut answers: BTreeMap<u64, &str> = BTreeMap::new();
        for event in self.seen {
            if let Seen::Answered { call, how } = event {
                assert!(answers.insert(*call, how).is_none(), "{event:?} a second time");
            }
        }
        for event in self.seen {
            let Seen::Called { call, by, to, direct, patient } = event else { continue };
            let Some(how) = answers.remove(call) else {
                let may_wait = if *patient { !self.is_over } else { !self.lives(*by) };
                assert!(may_wait, "{event:?} is not answered");
                continue;
            };
            if let Some(reason) = how.strip_prefix("exited: ").or_else(|| how.strip_prefix("not started: ")) {
                let mut of_whom = deaths.iter().filter(|(pid, _)| !direct || Some(**pid) == *to);
                assert!(of_whom.any(|(_, known)| *known == reason), "{event:?} was told {how}");
            }
        }
        assert!(answers.is_empty(), "answers to no call: {answers:?}");
    }

    /// A link is known at both ends, and so is a monitor.
    fn both_ends_agree(&self) {
        let sum = |count: fn(&Ties) -> usize| self.living.values().map(count).sum::<usize>();
        assert_eq!(sum(|ties| ties.monitors), sum(|ties| ties.watchers), "{:?}", self.living);
        assert_eq!(sum(|ties| ties.links) % 2, 0, "{:?}", self.living);
    }
}

fn pair(one: Pid, other: Pid) -> (Pid, Pid) {
    (one.min(other), one.max(other))
}
