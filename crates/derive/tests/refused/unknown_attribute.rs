//! Only what is known can be asked for.

#[derive(freeboard_derive::Message)]
#[message(krate = freeboard_mailbox)]
enum Voice {
    Stop,
}

#[derive(freeboard_derive::Message)]
#[message(crate = freeboard_mailbox)]
enum Other {
    Ack(#[key(first)] u64),
}

fn main() {}
