//! Actors that several rows use.

use crate::machine::Countdown;
use freeboard::prelude::*;
use std::{sync::Arc, time::Duration};

/// An actor that says when it is up, and when it is no more.
pub(crate) struct Idle {
    ended: Option<Arc<Countdown>>,
}

/// What an [`Idle`] actor counts down.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    pub(crate) up: Option<Arc<Countdown>>,
    pub(crate) ended: Option<Arc<Countdown>>,
}

/// What it is sent.
pub(crate) enum Nudge {
    /// To count one more.
    Served(Arc<Countdown>),
}

impl Actor for Idle {
    type Msg = Nudge;
    type Args = Counts;

    async fn init(counts: Counts, _: &mut Context<Nudge>) -> Result<Self, InitError> {
        if let Some(up) = counts.up {
            up.one();
        }
        Ok(Self { ended: counts.ended })
    }

    async fn handle(&mut self, Nudge::Served(count): Nudge, _: &mut Context<Nudge>) -> Ended {
        count.one();
        Ok(())
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        if let Some(ended) = &self.ended {
            ended.one();
        }
    }
}

/// An actor whose init waits.
pub(crate) struct Slow;

impl Actor for Slow {
    type Msg = ();
    type Args = Duration;

    async fn init(time: Duration, cx: &mut Context<()>) -> Result<Self, InitError> {
        cx.sleep(time).await;
        Ok(Self)
    }

    async fn handle(&mut self, (): (), _: &mut Context<()>) -> Ended {
        Ok(())
    }
}
