//! How fast an action may be called: as fast as the engine likes, until AWS throttles it; then at a rate that is cut at every
//! throttling answer and rises a little with every call that passes (additive increase, multiplicative decrease).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A rate is cut to this part of what it was.
const CUT: f64 = 0.6;
/// Calls that were sent together are throttled together: that is one reason to slow down, not many.
const CUT_PAUSE: Duration = Duration::from_millis(250);
/// Each call that passes raises the rate by so many calls a second.
const RISE: f64 = 0.25;
/// Nobody is slowed below this.
const SLOWEST: f64 = 0.2;
/// Above this a limit no longer limits anything.
const FASTEST: f64 = 200.0;
/// What passed longer ago says nothing of how fast calls may come now.
const LATELY: Duration = Duration::from_secs(2);

/// The pace of one action of one service in one place.
#[derive(Debug, Default)]
pub struct Pace {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Calls a second; unlimited until the first throttling answer.
    rate: Option<f64>,
    /// When the next call may start.
    next: Option<Instant>,
    /// When the rate was last cut.
    cut: Option<Instant>,
    /// What passed lately, to know where to begin cutting.
    passed: Option<(Instant, u32)>,
}

impl Pace {
    /// Takes the next place in the queue; the answer says how long to wait before calling.
    pub fn reserve(&self, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rate) = state.rate else { return Duration::ZERO };
        let start = state.next.map_or(now, |next| next.max(now));
        state.next = Some(start + Duration::from_secs_f64(1.0 / rate));
        start - now
    }

    /// A call passed.
    pub fn passed(&self, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.rate = state.rate.map(|rate| rate + RISE).filter(|rate| *rate < FASTEST);
        state.passed = match state.passed {
            Some((since, n)) if now.duration_since(since) < LATELY => Some((since, n + 1)),
            _ => Some((now, 1)),
        };
    }

    /// A call was throttled.
    pub fn throttled(&self, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.cut.is_some_and(|cut| now.duration_since(cut) < CUT_PAUSE) {
            return;
        }
        let rate = state.rate.unwrap_or_else(|| match state.passed {
            Some((since, n)) if now.duration_since(since) < LATELY => {
                f64::from(n) / now.duration_since(since).as_secs_f64().max(0.1)
            }
            _ => FASTEST,
        });
        state.rate = Some((rate * CUT).clamp(SLOWEST, FASTEST));
        state.cut = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_slowed_by_throttling_and_recovers() {
        let pace = Pace::default();
        let t = Instant::now();
        assert_eq!(pace.reserve(t), Duration::ZERO);
        for _ in 0..10 {
            pace.passed(t);
        }
        pace.throttled(t + Duration::from_secs(1));
        // Ten calls a second passed, so six are tried next: a place every 167 ms.
        assert_eq!(pace.reserve(t + Duration::from_secs(1)), Duration::ZERO);
        let wait = pace.reserve(t + Duration::from_secs(1)).as_millis();
        assert!((150..180).contains(&wait), "{wait}");

        for _ in 0..1000 {
            pace.passed(t + Duration::from_secs(2));
        }
        assert_eq!(pace.reserve(t + Duration::from_secs(9)), Duration::ZERO);
        assert_eq!(pace.reserve(t + Duration::from_secs(9)), Duration::ZERO, "the limit is lifted");
    }

    #[test]
    fn a_quiet_time_does_not_make_a_burst_slow() {
        let pace = Pace::default();
        let t = Instant::now();
        pace.passed(t);
        pace.throttled(t + Duration::from_secs(100));
        // One call in a hundred seconds was no limit: a hundred calls find their places within a second, and not in minutes.
        let places: Vec<Duration> = (0..100).map(|_| pace.reserve(t + Duration::from_secs(100))).collect();
        assert!(places[99] < Duration::from_secs(1), "{:?}", places[99]);
    }

    #[test]
    fn calls_throttled_together_cut_the_rate_once() {
        let (one, many) = (Pace::default(), Pace::default());
        let t = Instant::now();
        one.throttled(t);
        for _ in 0..50 {
            many.throttled(t);
        }
        for pace in [&one, &many] {
            pace.reserve(t);
        }
        assert_eq!(one.reserve(t), many.reserve(t));
    }
}
