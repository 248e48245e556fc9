//! The pieces of text: numbers, bars, width.

use freeboard_demo::cli::HELP;
use freeboard_demo::text::{WIDTH, bar, fold, rough, thousands};

#[test]
fn numbers_are_grouped_and_no_more_exact_than_they_are() {
    assert_eq!([0, 999, 1_000, 266_100, 1_080_000].map(thousands), ["0", "999", "1,000", "266,100", "1,080,000"]);
    assert_eq!([7, 999, 1_234, 266_149, 266_950, 999_999].map(rough), [7, 999, 1_230, 266_000, 267_000, 1_000_000]);
}

#[test]
fn a_bar_grows_by_the_same_length_for_each_factor_of_ten() {
    let lengths = [0, 9, 10, 100, 1_000, 10_000, 100_000, 1_000_000, u64::MAX].map(|number| bar(number).len());
    assert_eq!(lengths, [0, 0, 0, 3, 6, 10, 13, 16, 16]);
}

#[test]
fn text_is_folded_at_80_columns_and_the_help_fits_too() {
    let folded = fold(&"word ".repeat(60));
    assert!(folded.lines().all(|line| line.len() <= WIDTH));
    assert_eq!(folded.split_whitespace().count(), 60);
    assert!(HELP.lines().all(|line| line.chars().count() <= WIDTH), "{HELP}");
}
