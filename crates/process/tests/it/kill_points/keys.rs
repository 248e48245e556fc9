//! Owners of keys and members of groups that are struck while they come and go: nothing of them is left in any table.

use super::is_struck;
use crate::strike::{Plan, at_every_point};
use crate::support::{Journal, oops, step_aside};
use freeboard_process::{Addr, Context, Event, Groups, Registry};
use std::time::Duration;

// OTP: J5, A9, J11
#[test]
fn no_key_and_no_membership_is_left_wherever_their_owner_is_struck() {
    let points = at_every_point(|node, stepper| {
        let (unique, duplicate) = (Registry::<u32, ()>::unique(node), Registry::<u32, ()>::duplicate(node));
        let (groups, found) = (Groups::<u32, ()>::new(node), Journal::new());
        let (a, b, c) = (unique.clone(), duplicate.clone(), groups.clone());
        let victim = async move |mut cx: Context<()>| {
            for round in 0..3 {
                a.register(&cx, round)?;
                step_aside().await;
                b.register(&cx, 7 + round)?;
                c.join(&cx, 7)?;
                step_aside().await;
                c.join(&cx, 7)?;
                a.unregister(&cx, &round);
                step_aside().await;
                c.leave(&cx, &7);
                b.register(&cx, 20 + round)?;
                b.unregister(&cx, &(7 + round));
            }
            a.register(&cx, 7)?;
            cx.sleep(Duration::from_millis(1)).await;
            Err(oops("own"))
        };
        // Who hears of its end finds nothing of it, and can have what it had.
        let (a, b, c, journal) = (unique, duplicate, groups, found.clone());
        let watch = move |victim: &Addr<()>| {
            let victim = victim.clone();
            node.spawn(async move |mut cx: Context<()>| {
                let owner = victim.pid();
                let monitor = cx.monitor(&victim);
                cx.recv_event_where(|event| matches!(event, Event::Down(down) if down.monitor == monitor)).await;
                let left = (a.len(), b.len(), c.groups().len());
                let free = (0..10).all(|key| a.register(&cx, key).is_ok() && a.owner(&key) == Some(cx.pid()));
                c.join(&cx, 7)?;
                journal.note((left, free, c.members(&7).len(), owner != Some(cx.pid())));
                Ok(())
            });
        };
        Plan::new(
            stepper,
            || node.spawn(victim),
            watch,
            move |at, reason| {
                assert_eq!(found.take(), [((0, 0, 0), true, 1, true)], "{at}");
                assert!(is_struck(&reason) || reason == "error: own", "{at}: {reason}");
            },
        )
    });
    assert!(points > 30, "{points}");
}
