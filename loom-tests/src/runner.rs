//! Runs one model and counts how many interleavings it explored.
//!
//! The count is printed as `model NAME: N executions`, which is what the header of a model quotes. With `LOOM_LOG`
//! set it prints every step instead, under the bounds of loom's own variables; the README of this package shows how.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Preemptions per execution when `LOOM_MAX_PREEMPTIONS` does not say otherwise; most races need one or two.
const PREEMPTIONS: usize = 2;

/// Steps per execution when `LOOM_MAX_BRANCHES` does not say otherwise. Loom's own 1,000 are too few for a process that
/// lives and dies; an endless loop still runs into this bound and fails.
const BRANCHES: usize = 10_000;

/// Explores every interleaving of `body`, up to the bound on preemptions.
///
/// `body` runs once per execution and must build everything it uses anew.
///
/// # Panics
/// With the assertion of `body` that failed, on a deadlock, on a leaked [`Tracked`](crate::Tracked) value, and if only one
/// execution was explored: such a model has no race in it and proves nothing.
pub fn model(name: &str, body: impl Fn() + Sync + Send + 'static) {
    if std::env::var_os("LOOM_LOG").is_some() {
        // Only loom's own entry point installs the subscriber that prints.
        return loom::model(body);
    }
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    if std::env::var_os("LOOM_MAX_BRANCHES").is_none() {
        builder.max_branches = BRANCHES;
    }
    let executions = Arc::new(AtomicUsize::new(0));
    let counted = executions.clone();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        body();
    });
    let executions = executions.load(Ordering::Relaxed);
    println!("model {name}: {executions} executions");
    assert!(executions > 1, "model {name} explored one execution: let two threads touch the same state");
}
