//! Waiting for one acknowledgement inside a flood: what a selective receive looks at.
//!
//! `cargo run --release --example selective_receive`

use freeboard::prelude::*;
use std::error::Error;

#[derive(Message)]
enum Letter {
    Junk(u64),
    Ack {
        #[key]
        id: u64,
    },
}

const FLOOD: u64 = 1_000_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::new();
    let (done, finished) = tokio::sync::oneshot::channel();
    node.spawn(async move |mut cx: Context<Letter>| {
        let me = cx.addr();
        (0..FLOOD).for_each(|n| me.cast(Letter::Junk(n)));

        // The first one looks at the whole flood, once, and leaves it in its place.
        me.cast(Letter::Ack { id: 1 });
        cx.recv_key(Letter::TAG_ACK, 1_u64).await;
        println!("first receive behind {FLOOD} messages: looked at {}", cx.inspected());

        // From then on it costs what it costs in an empty mailbox.
        let before = cx.inspected();
        me.cast(Letter::Ack { id: 2 });
        cx.recv_key(Letter::TAG_ACK, 2_u64).await;
        println!("second receive: looked at {}", cx.inspected() - before);

        // Nothing was lost and nothing changed its place.
        match cx.recv_message().await {
            Letter::Junk(oldest) => println!("the oldest message is still junk {oldest}"),
            Letter::Ack { id } => println!("unexpected acknowledgement {id}"),
        }
        drop(done);
        Ok(())
    });
    // Closed by the process, when it is through.
    finished.await.unwrap_or(());
    Ok(())
}
