//! Many requests at once, and their answers as they come (OTP: F17).
//!
//! ```text
//!   request, request, request ──► FanOut ──next──► (2, answer), (0, answer), (1, timeout)
//! ```
//!
//! # Invariants
//! * Each request yields exactly one result, under its place among the requests.
//! * A wake costs a look at the requests that were answered, not at all of them.
//! * Dropping a `next` loses nothing; dropping the set abandons what was not answered.
//!
//! # Not here
//! The limit: each request has it, counted once (`deadline.rs`).

use crate::call::Pending;
use crate::reply::CallError;
use crate::sync::Mutex;
use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

/// Gathers requests that are under way, to await their answers together.
///
/// ```
/// use freeboard_process::{Context, Node, Reply, Sim, fan_out};
/// use std::time::Duration;
///
/// Sim::seed(1).run(async |node: Node| {
///     let squares = (0..3).map(|_| {
///         node.spawn(async |mut cx: Context<(u32, Reply<u32>)>| {
///             let (n, reply) = cx.recv_message().await;
///             reply.send(n * n);
///             Ok(())
///         })
///     });
///     let requests = squares.zip(1..).map(|(square, n)| square.request(|reply| (n, reply)));
///     let mut answers = fan_out(requests).within(Duration::from_secs(1));
///     let mut sum = 0;
///     while let Some((_place, answer)) = answers.next().await {
///         sum += answer.unwrap();
///     }
///     assert_eq!(sum, 1 + 4 + 9);
/// });
/// ```
pub fn fan_out<T: Send + 'static>(requests: impl IntoIterator<Item = Pending<T>>) -> FanOut<T> {
    let ready = Arc::new(Ready::default());
    let member =
        |(place, request)| Member { request, waker: Waker::from(Arc::new(Bell { place, ready: Arc::clone(&ready) })) };
    let members: Vec<_> = requests.into_iter().enumerate().map(|pair| Some(member(pair))).collect();
    ready.0.lock().places.extend(0..members.len());
    FanOut { waiting: members.len(), members, ready }
}

/// Requests under way: made by [`fan_out`].
///
/// # Cancel safety
/// Dropped, it abandons the requests that were not answered. A [`next`](Self::next) that is dropped has lost nothing, so a
/// limit around it means to look again later, and [`within`](Self::within) means to give up.
///
/// # Cost
/// One allocation per request, and a timer for each that has a limit and is not answered when it is looked at first.
#[must_use = "the requests are abandoned when this is dropped"]
pub struct FanOut<T: Send + 'static> {
    members: Vec<Option<Member<T>>>,
    waiting: usize,
    ready: Arc<Ready>,
}

struct Member<T: Send + 'static> {
    request: Pending<T>,
    waker: Waker,
}

/// Who is to be looked at, and the task to be woken for it.
#[derive(Default)]
struct Ready(Mutex<Due>);

#[derive(Default)]
struct Due {
    places: VecDeque<usize>,
    waker: Option<Waker>,
}

/// Wakes the set for one of its requests.
struct Bell {
    place: usize,
    ready: Arc<Ready>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut due = self.ready.0.lock();
        due.places.push_back(self.place);
        let waker = due.waker.take();
        drop(due);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T: Send + 'static> FanOut<T> {
    /// Gives all requests this long, counted from now: what is not answered by then ends with [`CallError::Timeout`] and is
    /// abandoned.
    pub fn within(mut self, limit: Duration) -> Self {
        for member in &mut self.members {
            *member = member.take().map(|member| Member { request: member.request.within(limit), ..member });
        }
        // Those that were looked at before know nothing of this limit until they are looked at again.
        let waiting = self.members.iter().enumerate().filter(|(_, member)| member.is_some()).map(|(place, _)| place);
        let places: VecDeque<_> = waiting.collect();
        self.ready.0.lock().places = places;
        self
    }

    /// The next result and the place of its request, in the order in which they come; `None` when there was one for each.
    pub async fn next(&mut self) -> Option<(usize, Result<T, CallError>)> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// All results, in the order of the requests.
    pub async fn all(mut self) -> Vec<Result<T, CallError>> {
        let mut results: Vec<_> = self.members.iter().map(|_| None).collect();
        while let Some((place, result)) = self.next().await {
            results[place] = Some(result);
        }
        results.into_iter().flatten().collect()
    }

    /// How many requests have no result yet.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, Result<T, CallError>)>> {
        while self.waiting > 0 {
            let mut due = self.ready.0.lock();
            let Some(place) = due.places.pop_front() else {
                let replaced = due.waker.replace(cx.waker().clone());
                drop(due);
                drop(replaced); // A waker is user code; it is dropped outside the lock.
                return Poll::Pending;
            };
            drop(due);
            // One that has its result may ring once more.
            let Some(member) = &mut self.members[place] else { continue };
            let looked = Pin::new(&mut member.request).poll(&mut Context::from_waker(&member.waker));
            if let Poll::Ready(result) = looked {
                self.members[place] = None;
                self.waiting -= 1;
                return Poll::Ready(Some((place, result)));
            }
        }
        Poll::Ready(None)
    }
}

impl<T: Send + 'static> fmt::Debug for FanOut<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanOut").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}
