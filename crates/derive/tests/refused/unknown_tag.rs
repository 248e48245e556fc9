//! There is one constant per variant and no other.

#[derive(freeboard_derive::Message)]
#[message(crate = freeboard_mailbox)]
enum Voice {
    Stop,
}

fn main() {
    let _ = (Voice::Stop, Voice::TAG_SOTP);
}
