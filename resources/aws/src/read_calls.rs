//! How many calls it takes to read a hundred objects of a type.
//!
//! `read-calls.tsv` is the one place that says so. Each test that reads a hundred objects is held to it (`tests/kit`): it must take one of the numbers
//! that stand there for the type, no more and no less. `TYPES.md` and the generated reference show it.

/// What reading a hundred objects takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadCalls {
    /// The type.
    pub type_name: &'static str,
    /// So many calls.
    pub calls: usize,
    /// In which case; empty for the usual one.
    pub when: &'static str,
}

/// What is known of a type, the usual case first; empty if no test counts.
pub fn of(type_name: &str) -> Vec<ReadCalls> {
    all().filter(|known| known.type_name == type_name).collect()
}

/// What is known of all types.
pub fn all() -> impl Iterator<Item = ReadCalls> {
    include_str!("../read-calls.tsv").lines().filter_map(|line| {
        let mut columns = line.split('\t');
        let (type_name, calls) = (columns.next()?, columns.next()?.parse().ok()?);
        Some(ReadCalls { type_name, calls, when: columns.next().unwrap_or_default() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let lines = include_str!("../read-calls.tsv").lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(all().count(), lines);
        let twice = |at: usize, known: &ReadCalls| {
            all().take(at).any(|k| (k.type_name, k.calls) == (known.type_name, known.calls))
        };
        for (at, known) in all().enumerate() {
            assert!(!twice(at, &known), "{known:?} stands there twice");
            let first = all().position(|k| k.type_name == known.type_name) == Some(at);
            assert!(first || !known.when.is_empty(), "{known:?}: when?");
        }
    }
}
