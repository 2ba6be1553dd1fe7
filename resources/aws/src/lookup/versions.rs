//! Versions in their order.

use std::cmp::Ordering;

/// Compares versions as people do: `v1.9.3-eksbuild.2` comes before `v1.10.1-eksbuild.1`. Numbers count as numbers, everything else as text.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| -> Vec<(Option<u64>, String)> {
        let mut parts: Vec<String> = Vec::new();
        for c in text.trim_start_matches('v').chars() {
            match parts.last_mut() {
                Some(part) if part.chars().all(|p| p.is_ascii_digit()) == c.is_ascii_digit() => part.push(c),
                _ => parts.push(c.to_string()),
            }
        }
        parts.into_iter().map(|part| (part.parse().ok(), part)).collect()
    };
    parts(a).cmp(&parts(b))
}

/// Whether a version is one of a line: `16.4` is of `16`, and so is `16`; `160.1` is not.
pub(super) fn is_of(version: &str, line: &str) -> bool {
    version.strip_prefix(line).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_as_numbers() {
        let mut versions = ["v1.10.1-eksbuild.1", "v1.9.3-eksbuild.10", "v1.9.3-eksbuild.2", "v1.9.3"];
        versions.sort_by(|a, b| compare(a, b));
        assert_eq!(versions, ["v1.9.3", "v1.9.3-eksbuild.2", "v1.9.3-eksbuild.10", "v1.10.1-eksbuild.1"]);
        assert_eq!(compare("16.10", "16.9"), Ordering::Greater);
    }

    #[test]
    fn a_line_is_not_a_beginning() {
        assert!(is_of("16.4", "16") && is_of("16", "16") && is_of("8.0.mysql_aurora.3.08.0", "8.0"));
        assert!(!is_of("160.1", "16"));
    }
}
