//! Identities and tokens: what makes two of them equal, how they sort and read.

use freeboard_signal::{Clock, Pid, Ref};
use std::time::{Duration, Instant};

// OTP: A11
#[test]
fn a_pid_differs_in_node_slot_or_generation() {
    let pid = Pid::new(1, 2, 3);
    assert_eq!((pid.node(), pid.slot(), pid.generation()), (1, 2, 3));
    assert_eq!(pid, Pid::new(1, 2, 3));
    for other in [Pid::new(0, 2, 3), Pid::new(1, 0, 3), Pid::new(1, 2, 4)] {
        assert_ne!(pid, other);
    }
    assert_eq!(format!("{pid} {pid:?}"), "<1.2.3> <1.2.3>");
}

// OTP: A11
#[test]
fn pids_sort_by_node_then_slot_then_generation() {
    let mut pids = Vec::new();
    for node in [1, 0] {
        for slot in [7, 0] {
            for generation in [u64::MAX, 2, 1] {
                pids.push(Pid::new(node, slot, generation));
            }
        }
    }
    pids.sort();
    let parts: Vec<_> = pids.iter().map(|pid| (pid.node(), pid.slot(), pid.generation())).collect();
    let mut expected = parts.clone();
    expected.sort_unstable();
    assert_eq!(parts, expected);
    assert_eq!(parts[0], (0, 0, 1));
}

// OTP: C1
#[test]
fn a_ref_differs_in_node_or_number() {
    let token = Ref::new(1, 2);
    assert_eq!(token.number(), 2);
    assert_eq!(token, Ref::new(1, 2));
    assert!(token != Ref::new(0, 2) && token != Ref::new(1, 3));
    assert!(Ref::new(0, 9) < Ref::new(1, 0));
    assert_eq!(format!("{token} {token:?}"), "#Ref<1.2> #Ref<1.2>");
}

#[test]
fn a_clock_can_be_anything_that_says_what_time_it_is() {
    struct Fixed(Instant);
    impl Clock for Fixed {
        fn now(&self) -> Instant {
            self.0
        }
    }
    struct Ahead<'a>(&'a dyn Clock);
    impl Clock for Ahead<'_> {
        fn now(&self) -> Instant {
            self.0.now() + Duration::from_secs(1)
        }
    }
    #[expect(clippy::disallowed_methods, reason = "an instant to begin with; only distances count")]
    let fixed = Fixed(Instant::now());
    let ahead = Ahead(&fixed);
    assert_eq!(ahead.now() - fixed.now(), Duration::from_secs(1));
    assert_eq!(ahead.coarse(), ahead.now(), "a clock that knows no cheaper reading is exact");
}
