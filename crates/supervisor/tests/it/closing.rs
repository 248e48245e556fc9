//! The end of a supervised seat: who waits for it hears of it last, when everybody else was told.

use crate::support::pass;
use freeboard_process::sync::{AtomicUsize, Mutex, Ordering};
use freeboard_process::{Context, Node, Sim};
use freeboard_supervisor::{DynamicRef, DynamicSupervisor, child_fn};
use std::{
    future::{Future, pending},
    pin::pin,
    sync::Arc,
    task::{Wake, Waker},
    time::Duration,
};

/// Counted when it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Notes how many children the supervisor has at the moment of the wake.
struct Look(DynamicRef, Mutex<Vec<usize>>);

impl Wake for Look {
    fn wake(self: Arc<Self>) {
        let tracked = self.0.tracked();
        self.1.lock().push(tracked);
    }
}

#[test]
fn a_seat_is_closed_for_those_who_wait_when_its_supervisor_has_let_go_of_it() {
    Sim::seed(1).run(async |node: Node| {
        let sup = DynamicSupervisor::new().start(&node).await.unwrap();
        let child = sup.start_child(child_fn(async |_cx: Context<()>| pending().await)).await.unwrap();
        let look = Arc::new(Look(sup.clone(), Mutex::new(Vec::new())));
        let waker = Waker::from(Arc::clone(&look));
        let mut closed = pin!(child.closed());
        assert!(closed.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        sup.terminate_child(&child).await.unwrap();
        pass(&node, Duration::from_secs(1)).await;
        assert_eq!(*look.1.lock(), [0]);
    });
}

#[test]
fn a_seat_is_closed_for_those_who_wait_when_its_queue_is_dropped_whoever_drops_the_spec_meanwhile() {
    for seed in 0..50 {
        Sim::seed(seed).run(async |node: Node| {
            let dropped = Arc::<AtomicUsize>::default();
            let spec = child_fn(async |_cx: Context<Counted>| Ok(()));
            let addr = spec.addr();
            for _ in 0..3_000 {
                addr.cast(Counted(Arc::clone(&dropped)));
            }
            // It ends at once, in several steps; the start returns in between, and drops the spec.
            node.start(spec).await.unwrap();
            addr.closed().await;
            assert_eq!(dropped.load(Ordering::Relaxed), 3_000);
        });
    }
}
