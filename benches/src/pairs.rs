//! Rounds, medians, and whether the machine was ours.
//!
//! Invariants
//! * A round measures every variant once, one after the other; every second round goes backwards. So a drift of the
//!   machine falls on all variants alike, and none is always the one that finds the caches warm.
//! * One round before the first is not counted.
//!
//! Not here: what is measured (`rows`), and what is asked of the result (`figure.rs`).

use crate::figure::Figure;
use crate::machine::{Cpu, Stopwatch};

/// Rounds behind every judged figure.
pub const ROUNDS: usize = 21;

/// The rest of the machine may use this much of one core, or the run is void.
const OTHERS_AT_MOST: f64 = 0.10;

/// What one variant came to, round by round.
#[derive(Clone, Debug)]
pub struct Series(Vec<f64>);

impl Series {
    /// The samples, in the order of the rounds.
    ///
    /// # Panics
    /// There are none, or one is no number.
    pub fn of(samples: Vec<f64>) -> Self {
        assert!(!samples.is_empty() && samples.iter().all(|sample| sample.is_finite()), "samples: {samples:?}");
        Self(samples)
    }

    /// This variant as a multiple of another, round by round.
    pub fn over(&self, other: &Self) -> Self {
        Self::of(self.0.iter().zip(&other.0).map(|(ours, theirs)| ours / theirs).collect())
    }

    /// The middle one.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// A quarter of the samples lies below the first and above the second.
    pub fn quartiles(&self) -> (f64, f64) {
        (self.quantile(0.25), self.quantile(0.75))
    }

    /// Between two samples, the line that joins them.
    fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let place = share * (sorted.len() - 1) as f64;
        let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        below + (above - below) * place.fract()
    }
}

/// Measures `N` variants in rounds; `measure` is given the number of the variant.
pub fn interleave<const N: usize>(rounds: usize, mut measure: impl FnMut(usize) -> f64) -> [Series; N] {
    let mut samples: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(rounds));
    for variant in 0..N {
        let _warm_up = measure(variant);
    }
    for round in 0..rounds {
        for step in 0..N {
            let variant = if round % 2 == 0 { step } else { N - 1 - step };
            samples[variant].push(measure(variant));
        }
    }
    samples.map(Series::of)
}

/// Runs a measurement, and once more if others used the machine meanwhile. If they did again, the figures say so.
///
/// All others are taken together, because a compiler is a hundred short processes. Where the system does not tell (it
/// needs `/proc`), nothing is void.
pub fn watched(mut measure: impl FnMut() -> Vec<Figure>) -> Vec<Figure> {
    let mut attempt = || {
        let (before, clock) = (Cpu::now(), Stopwatch::start());
        let figures = measure();
        let others = Cpu::others(before, Cpu::now()).map(|used| used / clock.seconds());
        (figures, others.filter(|share| *share > OTHERS_AT_MOST))
    };
    let (figures, disturbed) = attempt();
    if disturbed.is_none() {
        return figures;
    }
    let (mut figures, disturbed) = attempt();
    if let Some(share) = disturbed {
        for figure in &mut figures {
            figure.void = Some(format!("other processes used {:.0} % of a core", share * 100.0));
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    //! The order of the rounds, and quantiles.
    use super::*;

    #[test]
    fn every_second_round_goes_backwards_and_the_first_is_not_counted() {
        let mut order = Vec::new();
        let [first, second] = interleave(2, |variant| {
            order.push(variant);
            order.len() as f64
        });
        assert_eq!(order, [0, 1, 0, 1, 1, 0]);
        assert_eq!((first.0, second.0), (vec![3.0, 6.0], vec![4.0, 5.0]));
    }

    #[test]
    fn quantiles_lie_on_the_line_between_samples() {
        let series = Series::of(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!(series.median(), 2.5);
        assert_eq!(series.quartiles(), (1.75, 3.25));
        assert_eq!(Series::of(vec![7.0]).quartiles(), (7.0, 7.0));
    }

    #[test]
    fn a_ratio_is_taken_within_its_round() {
        let ratios = Series::of(vec![2.0, 30.0]).over(&Series::of(vec![1.0, 10.0]));
        assert_eq!(ratios.0, [2.0, 3.0]);
    }
}
