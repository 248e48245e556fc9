//! Stand-in.
use crate::{instance::Instance, recorder::Recorder, request::Request, timeline::Depth};
use std::sync::Arc;
use tokio::runtime::{Handle, Runtime};
#[derive(Debug)]
pub(crate) struct Fb {
    recorder: Arc<Recorder>,
    runtime: Handle,
    instance: usize,
}
pub(crate) fn put_up(runtime: &Handle, recorder: &Arc<Recorder>, instance: usize) -> Fb {
    Fb { recorder: Arc::clone(recorder), runtime: runtime.clone(), instance }
}
impl Instance for Fb {
    fn offer(&self, request: Request) {
        let (r, i) = (Arc::clone(&self.recorder), self.instance);
        self.runtime.spawn(async move {
            crate::stopwatch::spin(crate::instance::INIT_WORK);
            r.answered(i, request.reply_to, r.clock().now_us())
        });
    }
    fn heartbeat(&self) {
        self.recorder.ring().renew(self.instance, self.recorder.clock().now_us());
    }
    fn mailbox(&self) -> Depth {
        Depth::default()
    }
    fn stop(&self) {}
}
pub(crate) fn start_many(_runtime: &Runtime, n: u64) {
    for _ in 0..n {
        crate::stopwatch::spin(crate::instance::INIT_WORK);
    }
}
