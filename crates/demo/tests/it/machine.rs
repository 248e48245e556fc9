//! What others use of the machine, from the system's own texts.

use freeboard_demo::machine::Ticks;

#[test]
fn the_cores_others_leave_are_all_but_what_they_used() {
    let own =
        |user: u32, system: u32| format!("77 (a (b) c) R 1 1 1 0 -1 4194304 119 0 0 0 {user} {system} 0 0 20 0 9 0 5");
    let at = |line: &str, own: &str| Ticks::of(&format!("{line}\ncpu0 1 2 3\n"), own).unwrap();
    let before = at("cpu  1000 0 100 5000 50 0 10 0 0 0", &own(20, 5));
    assert_eq!(before, Ticks { whole: 6_160, used: 1_110, own: 25 });
    // 200 ticks on two cores: 60 idle, 90 ours, 50 others'.
    let after = at("cpu  1130 0 110 5060 50 0 10 0 0 0", &own(100, 15));
    assert_eq!(after.cores_left(&before, 2), 1.5);
    assert_eq!(before.cores_left(&before, 2), 2.0, "no time, no use");
}

#[test]
fn texts_that_are_not_as_expected_say_nothing() {
    assert_eq!(Ticks::of("", ""), None);
    assert_eq!(Ticks::of("cpu  1 2 3", "1 (x) R 1"), None);
    assert_eq!(Ticks::of("intr 1 2 3 4 5 6 7 8", "1 (x) R 1 2 3 4 5 6 7 8 9 10 11 12 13"), None);
}
