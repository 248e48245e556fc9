//! A message is an enum.

#[derive(freeboard_derive::Message)]
#[message(crate = freeboard_mailbox)]
struct Ping {
    id: u64,
}

fn main() {}
