//! One line of the result: what was measured, what it is compared with, and whether its bar holds.
//!
//! Invariant: a bar judges one number, and the quartiles are those of that number.

use crate::pairs::Series;
use serde_json::json;
use std::fmt;

/// What a figure has to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bar {
    /// Ours is at least this many times the floor: for rates.
    TimesAtLeast(f64),
    /// Ours is at most this many times the floor: for durations.
    TimesAtMost(f64),
    /// Ours is at least this, in the figure's unit.
    AtLeast(f64),
    /// Ours is at most this, in the figure's unit.
    AtMost(f64),
}

impl Bar {
    /// Whether the bar is about the ratio.
    fn is_ratio(self) -> bool {
        matches!(self, Self::TimesAtLeast(_) | Self::TimesAtMost(_))
    }

    fn holds(self, judged: f64) -> bool {
        match self {
            Self::TimesAtLeast(bar) | Self::AtLeast(bar) => judged >= bar,
            Self::TimesAtMost(bar) | Self::AtMost(bar) => judged <= bar,
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimesAtLeast(bar) => write!(f, ">= {}x", times(*bar)),
            Self::TimesAtMost(bar) => write!(f, "<= {}x", times(*bar)),
            Self::AtLeast(bar) => write!(f, ">= {}", short(*bar)),
            Self::AtMost(bar) => write!(f, "<= {}", short(*bar)),
        }
    }
}

/// One measured case of a row.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The number of the row.
    pub row: u8,
    /// Which case of the row.
    pub case: String,
    /// The median of ours.
    pub ours: f64,
    /// The median of what it is compared with.
    pub floor: Option<f64>,
    /// The unit of both.
    pub unit: &'static str,
    /// The median of the ratios, each taken within one round: not the ratio of the medians.
    pub ratio: Option<f64>,
    /// The lower quartile of what the bar judges.
    pub q1: f64,
    /// The upper quartile of what the bar judges.
    pub q3: f64,
    /// What it has to reach; `None` for figures that are only shown.
    pub bar: Option<Bar>,
    /// Why the run counts for nothing, if others used the machine meanwhile.
    pub void: Option<String>,
}

impl Figure {
    /// A figure with a floor, measured in the same rounds.
    pub fn paired(row: u8, case: &str, unit: &'static str, ours: &Series, floor: &Series, bar: Option<Bar>) -> Self {
        let ratios = ours.over(floor);
        let judged = if bar.is_none_or(Bar::is_ratio) { &ratios } else { ours };
        let (q1, q3) = judged.quartiles();
        Self {
            row,
            case: case.to_owned(),
            ours: ours.median(),
            floor: Some(floor.median()),
            unit,
            ratio: Some(ratios.median()),
            q1,
            q3,
            bar,
            void: None,
        }
    }

    /// A figure that stands alone.
    pub fn alone(row: u8, case: &str, unit: &'static str, ours: &Series, bar: Option<Bar>) -> Self {
        let (q1, q3) = ours.quartiles();
        let (ours, case) = (ours.median(), case.to_owned());
        Self { row, case, ours, floor: None, unit, ratio: None, q1, q3, bar, void: None }
    }

    /// Whether the bar holds; `None` if there is nothing to judge.
    pub fn holds(&self) -> Option<bool> {
        let bar = self.bar?;
        let judged = if bar.is_ratio() { self.ratio? } else { self.ours };
        Some(bar.holds(judged))
    }

    /// The figure as one JSON object on one line.
    pub fn json(&self) -> String {
        json!({
            "row": self.row,
            "case": self.case,
            "ours": self.ours,
            "floor": self.floor,
            "unit": self.unit,
            "ratio": self.ratio,
            "q1": self.q1,
            "q3": self.q3,
            "bar": self.bar.map(|bar| bar.to_string()),
            "holds": self.holds(),
            "void": self.void,
        })
        .to_string()
    }
}

/// The names of the columns, aligned with the figures' `Display`.
pub fn heading() -> String {
    line(["row", "case", "ours", "floor", "unit", "ratio", "q1", "q3", "bar", "holds"].map(str::to_owned))
}

/// The figure as one line of aligned text.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_ratio = self.ratio.is_some() && self.bar.is_none_or(Bar::is_ratio);
        let quartile = |value: f64| if is_ratio { times(value) } else { short(value) };
        let text = line([
            self.row.to_string(),
            self.case.clone(),
            short(self.ours),
            self.floor.map_or_else(|| "-".to_owned(), short),
            self.unit.to_owned(),
            self.ratio.map_or_else(|| "-".to_owned(), times),
            quartile(self.q1),
            quartile(self.q3),
            self.bar.map_or_else(|| "-".to_owned(), |bar| bar.to_string()),
            self.holds().map_or("-", |holds| if holds { "yes" } else { "NO" }).to_owned(),
        ]);
        f.write_str(&text)?;
        self.void.as_ref().map_or(Ok(()), |why| write!(f, "  void: {why}"))
    }
}

fn line([row, case, ours, floor, unit, ratio, q1, q3, bar, holds]: [String; 10]) -> String {
    format!("{row:>3}  {case:<48} {ours:>8} {floor:>8} {unit:<7} {ratio:>6} {q1:>8} {q3:>8}  {bar:<9} {holds:<5}")
        .trim_end()
        .to_owned()
}

/// A ratio: two decimals, as long as they count.
fn times(ratio: f64) -> String {
    if ratio.abs() < 99.995 { format!("{ratio:.2}") } else { short(ratio) }
}

/// Three digits that count, with a letter for thousands and millions.
fn short(value: f64) -> String {
    let (scaled, letter) = match value.abs() {
        size if size >= 999_500.0 => (value / 1e6, "M"),
        size if size >= 9_995.0 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let decimals = match scaled.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    format!("{scaled:.decimals$}{letter}")
}

#[cfg(test)]
mod tests {
    //! Judging, and how numbers read.
    use super::*;

    #[test]
    fn a_bar_judges_the_ratio_or_the_figure_itself() {
        let (ours, floor) = (Series::of(vec![2.0, 4.0, 6.0]), Series::of(vec![1.0, 4.0, 2.0]));
        let holds = |bar| Figure::paired(1, "case", "ns", &ours, &floor, Some(bar)).holds();
        // The ratios are 2, 1 and 3.
        assert_eq!(holds(Bar::TimesAtLeast(2.0)), Some(true));
        assert_eq!(holds(Bar::TimesAtMost(1.9)), Some(false));
        assert_eq!(holds(Bar::AtMost(4.0)), Some(true));
        assert_eq!(holds(Bar::AtLeast(4.1)), Some(false));
        assert_eq!(Figure::alone(1, "case", "ns", &ours, None).holds(), None);
    }

    #[test]
    fn numbers_keep_three_digits() {
        let shown = [0.0, 1.234, 12.34, 123.4, 9_990.0, 12_345.0, 999_400.0, 55_500_000.0].map(short);
        assert_eq!(shown, ["0.00", "1.23", "12.3", "123", "9990", "12.3k", "999k", "55.5M"]);
    }

    #[test]
    fn ratios_keep_two_decimals_as_long_as_they_count() {
        assert_eq!([0.123, 99.99, 100.0, 5_000.0, 23_456.0].map(times), ["0.12", "99.99", "100", "5000", "23.5k"]);
        assert_eq!(Bar::TimesAtLeast(5_000.0).to_string(), ">= 5000x");
    }

    #[test]
    fn a_line_is_one_json_object_with_every_column() {
        let figure = Figure::alone(7, "case", "ns", &Series::of(vec![50.0]), Some(Bar::AtMost(60.0)));
        let parsed: serde_json::Value = serde_json::from_str(&figure.json()).unwrap();
        for column in ["row", "case", "ours", "floor", "unit", "ratio", "q1", "q3", "bar", "holds", "void"] {
            assert!(parsed.get(column).is_some(), "{column}");
        }
        assert_eq!(parsed["holds"], true);
    }
}
