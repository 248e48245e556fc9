//! There must be something to send.

#[derive(freeboard_derive::Message)]
#[message(crate = freeboard_mailbox)]
enum Nothing {}

fn main() {}
