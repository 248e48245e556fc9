//! The ring: leases, routing, and what callers see when nobody is left.

use freeboard_demo::ring::{HEARTBEAT_US, Ring, TTL_US, route};

#[test]
fn a_member_is_in_while_its_lease_is_renewed_in_time() {
    let mut ring = Ring::new(3);
    for beat in 1..=10 {
        ring.renew(0, beat * HEARTBEAT_US);
        ring.renew(2, beat * HEARTBEAT_US);
        ring.refresh(beat * HEARTBEAT_US);
    }
    assert_eq!(ring.view(), [0, 2]);
    assert_eq!(ring.lost(), 1);
}

#[test]
fn the_lease_expires_at_the_time_to_live_and_not_before() {
    let mut ring = Ring::new(1);
    ring.refresh(TTL_US - 1);
    assert_eq!(ring.lost(), 0);
    ring.refresh(TTL_US);
    assert_eq!(ring.lost(), 1);
}

#[test]
fn an_empty_ring_keeps_the_last_view() {
    let mut ring = Ring::new(3);
    ring.renew(1, TTL_US / 2);
    ring.refresh(TTL_US);
    assert_eq!(ring.view(), [1]);
    ring.refresh(10 * TTL_US);
    assert_eq!(ring.view(), [1], "callers keep asking whom they knew last");
    assert!(!ring.holds(1, 10 * TTL_US));
    assert_eq!(ring.lost(), 3);
}

#[test]
fn a_member_that_comes_back_is_in_again_but_was_lost_even_if_nobody_looked() {
    let mut ring = Ring::new(2);
    ring.renew(0, TTL_US + 1);
    ring.renew(1, TTL_US - 1);
    ring.refresh(TTL_US + 1);
    assert_eq!(ring.view(), [0, 1]);
    assert_eq!(ring.lost(), 1);
}

#[test]
fn heartbeats_are_late_after_two_intervals_or_when_overdue_at_the_end() {
    let mut ring = Ring::new(1);
    for _ in 0..5 {
        ring.heartbeat_sent(0);
    }
    ring.renew(0, HEARTBEAT_US);
    ring.renew(0, 3 * HEARTBEAT_US);
    ring.renew(0, 5 * HEARTBEAT_US + 1);
    let account = ring.heartbeats(5 * HEARTBEAT_US + 2);
    assert_eq!((account.sent, account.late), (5, 1), "exactly two intervals are in time, one microsecond more is not");
    let later = ring.heartbeats(8 * HEARTBEAT_US);
    assert_eq!(later.late, 3, "the two never handled are overdue now");
    assert_eq!(later.longest_gap_us, 3 * HEARTBEAT_US - 1);
}

#[test]
fn the_death_of_a_member_moves_only_its_own_sessions() {
    let mut share = [0_u32; 3];
    for session in 0..30_000 {
        let before = route(&[0, 1, 2], session);
        let after = route(&[0, 2], session);
        share[before] += 1;
        if before != 1 {
            assert_eq!(before, after);
        }
    }
    assert!(share.iter().all(|share| (9_700..10_300).contains(share)), "{share:?}");
}
