//! The two halves of a monitor against each other, and against a list that is simply scanned.

mod oracle;
mod row;
