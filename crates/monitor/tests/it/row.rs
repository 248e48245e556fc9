//! The watcher's row is the monitor: it is taken once, by the notice or by `demonitor`.

use freeboard_monitor::{Row, Watchers, Watching};
use freeboard_signal::{DownSource, ExitReason, Pid, Ref};

fn row(slot: u32) -> Row<u32> {
    Row { pid: Pid::new(0, slot, 1), peer: slot, name: None, tag: None, priority: false }
}

// OTP: C2, C6
#[test]
fn a_row_is_taken_once() {
    let mut watching = Watching::default();
    let monitor = Ref::new(0, 1);
    watching.insert(monitor, row(7));
    assert_eq!((watching.len(), watching.is_empty()), (1, false));
    assert_eq!(watching.take(monitor).map(|row| row.peer), Some(7));
    assert!(watching.take(monitor).is_none());
    assert!(watching.is_empty());
}

// OTP: C1
#[test]
fn monitors_of_one_target_stack_on_both_sides() {
    let (mut watching, mut watchers) = (Watching::default(), Watchers::default());
    for n in 0..5 {
        watching.insert(Ref::new(0, n), row(7));
        watchers.insert(Ref::new(0, n), "watcher");
    }
    assert_eq!((watching.len(), watchers.len()), (5, 5));
    let mut fired: Vec<_> = watchers.into_entries().filter_map(|(monitor, _)| watching.take(monitor)).collect();
    assert_eq!(fired.len(), 5);
    assert!(fired.drain(..).all(|row| row.pid == Pid::new(0, 7, 1)));
    assert!(watching.is_empty());
}

// OTP: C9
#[test]
fn unknown_refs_are_accepted_on_both_sides() {
    let (mut watching, mut watchers) = (Watching::<u32>::default(), Watchers::<u32>::default());
    assert!(watching.take(Ref::new(9, 9)).is_none());
    assert!(watchers.remove(Ref::new(9, 9)).is_none());
    watchers.insert(Ref::new(0, 1), 4);
    assert_eq!((watchers.remove(Ref::new(0, 1)), watchers.remove(Ref::new(0, 1))), (Some(4), None));
    assert!(watchers.is_empty());
}

// OTP: C4, C13
#[test]
fn a_notice_bears_the_watchers_name_and_tag() {
    let row = Row { pid: Pid::new(0, 7, 1), peer: (), name: Some("store".into()), tag: Some(42), priority: true };
    let down = row.into_down(Ref::new(0, 3), ExitReason::Shutdown);
    assert_eq!((down.monitor, down.pid), (Ref::new(0, 3), Pid::new(0, 7, 1)));
    assert_eq!((down.name.as_deref(), down.tag, down.source), (Some("store"), Some(42), DownSource::Direct));
    assert!(matches!(down.reason, ExitReason::Shutdown));
}

#[test]
#[cfg(debug_assertions)]
fn one_ref_for_two_monitors_is_a_mistake() {
    let twice = || {
        let mut watching = Watching::default();
        watching.insert(Ref::new(0, 1), row(1));
        watching.insert(Ref::new(0, 1), row(2));
    };
    let refused = std::panic::catch_unwind(twice).expect_err("the second insert panics in debug builds");
    assert_eq!(refused.downcast_ref::<&str>(), Some(&"a Ref names one monitor only"));
}
