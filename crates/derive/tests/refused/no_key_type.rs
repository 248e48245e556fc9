//! A key is a number, text or bytes.

#[derive(freeboard_derive::Message)]
#[message(crate = freeboard_mailbox)]
enum Voice {
    Volume(#[key] f32),
}

fn main() {}
