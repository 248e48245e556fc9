//! A process that does what the test tells it, one order at a time, with its own context.

use crate::support::Journal;
use freeboard_process::sync::Mutex;
use freeboard_process::{Addr, Context, Launcher, Node};
use std::sync::Arc;

/// What it can be told to do.
pub(crate) type Work = dyn Fn(&Context<Order>) + Send + Sync;

/// What a puppet is told.
#[derive(Clone)]
pub(crate) enum Order {
    Do(Arc<Work>),
    /// To be noted.
    Note(u32),
}

async fn obey(mut cx: Context<Order>, heard: Journal<u32>) -> Result<(), freeboard_process::ExitReason> {
    loop {
        match cx.recv_message().await {
            Order::Do(work) => work(&cx),
            Order::Note(number) => heard.note(number),
        }
    }
}

/// A puppet that notes what nobody wants to know.
pub(crate) fn puppet(node: &Node) -> Addr<Order> {
    noting_puppet(node, &Journal::new())
}

/// A puppet whose notes are read.
pub(crate) fn noting_puppet(node: &Node, heard: &Journal<u32>) -> Addr<Order> {
    let heard = heard.clone();
    node.spawn(async move |cx: Context<Order>| obey(cx, heard).await)
}

/// A seat of puppets.
pub(crate) fn puppet_seat() -> Launcher<Order> {
    Launcher::new(|cx: Context<Order>| Box::pin(obey(cx, Journal::new())))
}

/// Has the puppet do that, and answers what it came to.
pub(crate) async fn ask<T: Send + 'static>(
    puppet: &Addr<Order>,
    work: impl Fn(&Context<Order>) -> T + Send + Sync + 'static,
) -> T {
    let answer = puppet.call(|reply| {
        let reply = Mutex::new(Some(reply));
        Order::Do(Arc::new(move |cx| {
            let done = work(cx);
            if let Some(reply) = reply.lock().take() {
                reply.send(done);
            }
        }))
    });
    answer.forever().await.unwrap()
}
