//! Choosing what a lookup means out of what there is.

use phx_model::CloudError;
use phx_model::error::ErrorKind;

use super::At;

/// Of how many that fit names are told.
const TOLD: usize = 5;

/// The one that fits.
pub(super) async fn one<T>(
    at: &At,
    what: &str,
    more: &str,
    found: Vec<T>,
    name: impl Fn(&T) -> String,
) -> Result<T, CloudError> {
    let n = found.len();
    if n > 1 {
        let mut names: Vec<String> = found.iter().take(TOLD).map(name).collect();
        if n > TOLD {
            names.push("…".to_owned());
        }
        let message = format!("{n} {what}s in {} are like this: {}", at.region().await?, names.join(", "));
        return Err(CloudError::local(ErrorKind::Invalid, message)
            .hint(format!("say more of the one that is meant ({more}), so that one is left")));
    }
    match found.into_iter().next() {
        Some(found) => Ok(found),
        None => Err(none(at, what, more).await?),
    }
}

/// There is none.
pub(super) async fn none(at: &At, what: &str, more: &str) -> Result<CloudError, CloudError> {
    let message = format!("there is no such {what} in {}", at.region().await?);
    Ok(CloudError::local(ErrorKind::NotFound, message)
        .hint(format!("check what is asked for ({more}), the region and the account; if the program makes it, refer to the resource's outputs instead")))
}

/// Whether text fits a pattern in which `*` stands for any letters and `?` for one, as in AWS's filters.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands, and how far it reaches.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, reach)) = star {
            star = Some((at, reach + 1));
            (p, t) = (at + 1, reach + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_filters() {
        for (pattern, text, expected) in [
            ("al2023-ami-2023.*-arm64", "al2023-ami-2023.5.1-kernel-6.1-arm64", true),
            ("al2023-ami-2023.*-arm64", "al2023-ami-2023.5.1-kernel-6.1-x86_64", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "ab", true),
            ("a", "ab", false),
            ("", "", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
