//! What may cross threads, checked by the compiler for messages that are `Send` and not `Sync`.

use freeboard_process::{
    Ack, Addr, After, Alias, Birth, Call, CallError, Closed, Context, Down, Event, Exit, ExitReason, Launcher, Node,
    Oldest, Peer, Pending, Pid, Receive, Recipient, Ref, Reply, SendError, Sim, StartError, Task, Timer, Tokio,
    WeakAddr,
};
use std::cell::Cell;

fn is_send<T: Send>() {}
fn is_sync<T: Sync>() {}
fn is_unpin<T: Unpin>() {}

/// `Send`, and not `Sync`.
type M = Cell<u8>;
type Request = fn(Reply<M>) -> M;

// OTP: E10
#[test]
fn handles_are_send_and_sync_whatever_the_message() {
    is_send::<(Addr<M>, WeakAddr<M>, Node, Pid, Ref, ExitReason, Peer, Timer, Launcher<M>, Ack, Birth)>();
    is_sync::<(Addr<M>, WeakAddr<M>, Node, Pid, Ref, ExitReason, Peer, Timer, Launcher<M>, Ack)>();
    is_send::<(Alias<M>, Recipient<M>, Closed<M>)>();
    is_sync::<Recipient<M>>();
    is_sync::<(Alias<M>, Reply<M>, CallError, StartError, Down, Exit, Sim, Tokio)>();
}

// OTP: E10
#[test]
fn what_a_process_works_with_can_move_to_another_thread() {
    is_send::<(Context<M>, Reply<M>, Pending<M>, Event<M>, SendError<M>, CallError, StartError, Task)>();
    is_send::<Receive<'_, M, Oldest, Event<M>>>();
    is_send::<After<'_, M, Oldest, Event<M>>>();
    is_send::<Call<&Addr<M>, M, Request>>();
    is_send::<Call<&Recipient<M>, M, Request>>();
    is_unpin::<Receive<'_, M, Oldest, Event<M>>>();
    is_unpin::<Call<&Addr<M>, M, Request>>();
    is_unpin::<(Context<M>, Pending<M>, Task)>();
}

// OTP: E10
#[test]
fn identities_are_small_and_copied() {
    fn is_copy<T: Copy + Ord + std::hash::Hash>() {}
    is_copy::<(Pid, Ref, Timer)>();
    assert_eq!(size_of::<Pid>(), 16);
    assert_eq!(size_of::<Addr<[u8; 100]>>(), size_of::<usize>());
    assert_eq!(size_of::<Option<Addr<M>>>(), size_of::<usize>());
}
