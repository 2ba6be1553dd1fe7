//! From plans, events and reports to text for people, and from events to JSON lines. Nothing here writes anywhere; it makes strings.
//!
//! Text is made with colours. Whoever prints it takes them out where they are not wanted, so everything must be readable without:
//! a symbol never stands without its word.

pub(crate) mod checks;
pub(crate) mod drift;
pub(crate) mod events;
pub(crate) mod linediff;
pub(crate) mod outcome;
pub(crate) mod plan;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod value;

use std::time::Duration;

/// How much of a plan is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Detail {
    /// One line a step.
    Brief,
    /// With the differences, long values folded and unchanged resources counted.
    #[default]
    Normal,
    /// Everything.
    Full,
}

/// How text is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// How much is shown.
    pub(crate) detail: Detail,
    /// How many columns there are.
    pub(crate) width: usize,
}

impl Default for View {
    fn default() -> Self {
        Self { detail: Detail::Normal, width: 100 }
    }
}

/// A time as people say it: `850 ms`, `1.2 s`, `41 s`, `3 min 12 s`.
pub(crate) fn duration(time: Duration) -> String {
    let millis = time.as_millis();
    let secs = time.as_secs();
    match secs {
        0 => format!("{millis} ms"),
        1..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{secs} s"),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        _ => format!("{} h {} min", secs / 3600, secs / 60 % 60),
    }
}

/// A number with its noun: `1 resource`, `1,001 resources`.
pub(crate) fn count(n: u64, one: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        _ => format!("{} {one}s", thousands(n)),
    }
}

/// A number in groups of three digits.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_are_read_easily() {
        let said: Vec<_> = [850, 1240, 41_000, 192_000, 7_500_000].map(|ms| duration(Duration::from_millis(ms))).into();
        assert_eq!(said, ["850 ms", "1.2 s", "41 s", "3 min 12 s", "2 h 5 min"]);
        assert_eq!([1, 12, 123, 1234, 1_234_567].map(thousands), ["1", "12", "123", "1,234", "1,234,567"]);
        assert_eq!(count(1, "step"), "1 step");
        assert_eq!(count(0, "step"), "0 steps");
    }
}
