//! The nouns from outside: identities, tokens, reasons and notices.

mod exit_reason;
mod identity;
mod notices;
