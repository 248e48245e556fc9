//! `#[derive(Message)]`: which variant a message is, and by which field it can be told apart.
//!
//! ```
//! use freeboard_derive::Message;
//! use freeboard_mailbox::{Key, Message as _};
//!
//! #[derive(Message)]
//! #[message(crate = freeboard_mailbox)]
//! enum Voice {
//!     Ack { #[key] id: u64, who: String },
//!     Data(String),
//!     Stop,
//! }
//!
//! let ack = Voice::Ack { id: 7, who: "sfu".into() };
//! assert_eq!((ack.tag(), ack.key()), (Voice::TAG_ACK, Some(Key::Int(7))));
//! assert_eq!((Voice::Stop.tag(), Voice::Stop.key()), (Voice::TAG_STOP, None));
//! # let (_, Voice::Data(_) | Voice::Ack { .. } | Voice::Stop) = ((), Voice::Data(String::new()));
//! ```
//!
//! It expands to one plain `impl Message`, which anybody can write by hand, and one constant per variant. A wrong use is a
//! compile error at the place that is wrong.
//!
//! # Not here
//! The trait itself and everything that uses it: `freeboard-mailbox`.

mod expand;

use proc_macro::TokenStream;

/// Implements `Message` for an enum, and gives it one constant `TAG_<VARIANT>` per variant.
///
/// `#[key]` on one field of a variant makes that field its key: an unsigned number, text, bytes, a `Ref` or a `Pid`, or what
/// else is `AsKey`. `#[message(crate = path)]` names the crate that has `Message`, where that is not reached as
/// `freeboard::mailbox`.
///
/// # Errors
/// Compile errors for structs and unions, for an enum without variants, for two keys in one variant, for a key of a type
/// that can be none, and for attributes it does not know.
#[proc_macro_derive(Message, attributes(key, message))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    expand::message(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
