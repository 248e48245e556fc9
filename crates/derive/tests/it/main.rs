//! `#[derive(Message)]` from outside: what it gives, and what it refuses with which words.

mod gives;
mod refuses;
