//! One variant's run beside what was expected of it.

use crate::instance::Variant;
use crate::predict::{Expect, Judgement, Outcome, judge};
use crate::timeline::Timeline;
use crate::verdict::{Verdict, verdict};

/// A run, its verdict, and whether that is as expected.
#[derive(Debug, Clone, PartialEq)]
pub struct RunOutcome {
    /// Which parts ran.
    pub variant: Variant,
    /// What was foreseen.
    pub predicted: Outcome,
    /// What it was.
    pub verdict: Verdict,
    /// Whether that is as expected.
    pub judgement: Judgement,
    /// All that was recorded.
    pub timeline: Timeline,
}

impl RunOutcome {
    /// Judges `timeline`; the variant's name is kept beside the verdict and does not enter it.
    #[must_use]
    pub fn new(variant: Variant, predicted: Outcome, expect: Expect, timeline: Timeline) -> Self {
        let verdict = verdict(&timeline);
        let judgement = judge(&verdict, predicted, expect, variant.scans());
        Self { variant, predicted, verdict, judgement, timeline }
    }
}

/// The exit status for a set of judgements: 1 if one was otherwise, else 3 if one is unknown, else 0.
#[must_use]
pub fn exit_status(judgements: impl IntoIterator<Item = Judgement>) -> u8 {
    judgements.into_iter().fold(0, |status, judgement| match (status, judgement) {
        (1, _) | (_, Judgement::Otherwise) => 1,
        (3, _) | (_, Judgement::Unknown) => 3,
        _ => 0,
    })
}
