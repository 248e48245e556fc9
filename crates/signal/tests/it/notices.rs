//! The two notices of a death, and several of one kind in one.

use freeboard_signal::{Down, DownSource, Downs, Exit, ExitReason, Pid, Ref};

fn down(n: u64) -> Down {
    Down::direct(Ref::new(0, n), Pid::new(0, 5, n), ExitReason::Killed)
}

// OTP: C4
#[test]
fn a_down_carries_its_ref_the_pid_and_the_reason() {
    let down = down(4);
    assert_eq!((down.monitor, down.pid), (Ref::new(0, 4), Pid::new(0, 5, 4)));
    assert!(matches!(down.reason, ExitReason::Killed));
    assert_eq!((down.name, down.tag, down.source), (None, None, DownSource::Direct));
}

// OTP: B6
#[test]
fn an_exit_carries_its_sender_and_the_reason() {
    let exit = Exit::new(Pid::new(0, 5, 6), ExitReason::Normal);
    assert_eq!(exit.from, Pid::new(0, 5, 6));
    assert!(matches!(exit.reason, ExitReason::Normal));
}

// OTP: D2
#[test]
fn an_exit_tells_whether_it_was_sent_or_came_over_a_link() {
    let from = Pid::new(0, 5, 6);
    assert!(!Exit::new(from, ExitReason::Killed).is_of_link());
    let of_link = Exit::of_link(from, ExitReason::Killed);
    assert!(of_link.is_of_link() && of_link.from == from && matches!(of_link.reason, ExitReason::Killed));
}

// OTP: C1
#[test]
fn several_downs_keep_their_order_and_number() {
    assert!(Downs::default().is_empty());
    let downs = Downs::from((0..5).map(down).collect::<Vec<_>>());
    assert_eq!((downs.len(), downs.is_empty()), (5, false));
    let refs: Vec<_> = downs.into_iter().map(|down| down.monitor.number()).collect();
    assert_eq!(refs, [0, 1, 2, 3, 4]);
}

#[test]
fn notices_and_reasons_cross_threads() {
    fn check<T: Send + Sync + Clone + std::fmt::Debug>() {}
    check::<(Down, Exit, Downs, ExitReason, Pid, Ref)>();
}
