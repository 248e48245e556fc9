//! One key per variant.

#[derive(freeboard_derive::Message)]
#[message(crate = freeboard_mailbox)]
enum Voice {
    Ack {
        #[key]
        id: u64,
        #[key]
        who: String,
    },
}

fn main() {}
