//! Small pieces of plain text: numbers with separators, bars, folded paragraphs. Pure.

/// The width everything must fit.
pub const WIDTH: usize = 80;
const BAR: f64 = 16.0;

/// `1234567` as `1,234,567`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The number with its three leading digits, the rest zero: no run is more exact than that.
#[must_use]
pub fn rough(number: u64) -> u64 {
    let mut unit = 1;
    while number / unit >= 1_000 {
        unit *= 10;
    }
    (number + unit / 2) / unit * unit
}

/// A bar of at most sixteen signs; ten is nothing, a million is full, and each factor of ten is as long as any other.
#[must_use]
pub fn bar(number: u64) -> String {
    let length = ((number.max(10) as f64).log10() - 1.0) / 5.0 * BAR;
    "#".repeat(length.round().clamp(0.0, BAR) as usize)
}

/// Folds `text` into lines of at most [`WIDTH`], each ended.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            folded.push('\n');
            column = 0;
        } else if column > 0 {
            folded.push(' ');
            column += 1;
        }
        folded.push_str(word);
        column += length;
    }
    folded.push('\n');
    folded
}
