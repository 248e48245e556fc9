//! A key is a field.

#[derive(freeboard_derive::Message)]
#[message(crate = freeboard_mailbox)]
enum Voice {
    #[key]
    Ack(u64),
}

fn main() {}
