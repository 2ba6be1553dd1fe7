//! What differs between two texts, line by line: a shortest edit, shown with a little of what is around it.

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// In both.
    Same(&'a str),
    /// Only in the first.
    Gone(&'a str),
    /// Only in the second.
    New(&'a str),
    /// So many lines that are in both and not shown.
    Skipped(usize),
}

/// The most table cells that finding a shortest edit may cost. Beyond it (two texts of some 1,400 lines without a common
/// beginning or end) everything in the middle counts as changed, which is never wrong.
const MOST_CELLS: usize = 2_000_000;

/// The difference, with at most `around` unchanged lines before and after each change.
pub(crate) fn diff<'a>(before: &'a str, after: &'a str, around: usize) -> Vec<Line<'a>> {
    let (a, b): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    let (a_mid, b_mid) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);

    let mut all: Vec<Line<'a>> = a[..head].iter().map(|l| Line::Same(l)).collect();
    middle(a_mid, b_mid, &mut all);
    all.extend(a[a.len() - tail..].iter().map(|l| Line::Same(l)));
    shorten(all, around)
}

/// A longest common subsequence by the usual table.
fn middle<'a>(a: &[&'a str], b: &[&'a str], out: &mut Vec<Line<'a>>) {
    if a.len().saturating_mul(b.len()) > MOST_CELLS {
        out.extend(a.iter().map(|l| Line::Gone(l)));
        out.extend(b.iter().map(|l| Line::New(l)));
        return;
    }
    let width = b.len() + 1;
    // common[i * width + j]: how many lines a[i..] and b[j..] have in common, at most.
    let mut common = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i * width + j] = if a[i] == b[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            out.push(Line::Same(a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            out.push(Line::Gone(a[i]));
            i += 1;
        } else {
            out.push(Line::New(b[j]));
            j += 1;
        }
    }
}

fn shorten(all: Vec<Line<'_>>, around: usize) -> Vec<Line<'_>> {
    let changed: Vec<usize> =
        all.iter().enumerate().filter(|(_, l)| !matches!(l, Line::Same(_))).map(|(i, _)| i).collect();
    let near = |i: usize| {
        let next = changed.partition_point(|c| *c < i);
        let close = |at: Option<&usize>| at.is_some_and(|c| c.abs_diff(i) <= around);
        close(changed.get(next)) || close(next.checked_sub(1).and_then(|n| changed.get(n)))
    };
    let mut out = Vec::new();
    let mut skipped = 0;
    for (i, line) in all.into_iter().enumerate() {
        if near(i) {
            if skipped > 0 {
                out.push(Line::Skipped(skipped));
                skipped = 0;
            }
            out.push(line);
        } else {
            skipped += 1;
        }
    }
    if skipped > 0 {
        out.push(Line::Skipped(skipped));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(before: &str, after: &str) -> String {
        diff(before, after, 1)
            .into_iter()
            .map(|line| match line {
                Line::Same(l) => format!(" {l}"),
                Line::Gone(l) => format!("-{l}"),
                Line::New(l) => format!("+{l}"),
                Line::Skipped(n) => format!("({n})"),
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn only_what_changed_and_its_neighbours() {
        assert_eq!(show("a\nb\nc\nd\ne\nf", "a\nb\nc\nX\ne\nf"), "(2)  c -d +X  e (1)");
        assert_eq!(show("a\nb", "a\nb\nc"), "(1)  b +c");
        assert_eq!(show("", "a"), "+a");
        assert_eq!(show("a\nb\nc\nd\ne", "a\nX\nb\nd\ne"), " a +X  b -c  d (1)");
        assert_eq!(show("same", "same"), "(1)");
    }

    #[test]
    fn an_edit_script_gives_both_texts_back() {
        let before = (0..300).map(|i| format!("{}", i * 7 % 11)).collect::<Vec<_>>().join("\n");
        let after = (0..280).map(|i| format!("{}", i * 5 % 11)).collect::<Vec<_>>().join("\n");
        let lines = diff(&before, &after, usize::MAX);
        let side = |new: bool| {
            lines
                .iter()
                .filter_map(|l| match l {
                    Line::Same(l) => Some(*l),
                    Line::Gone(l) => (!new).then_some(*l),
                    Line::New(l) => new.then_some(*l),
                    Line::Skipped(_) => None,
                })
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(side(false), before);
        assert_eq!(side(true), after);
    }

    #[test]
    fn huge_texts_are_told_apart_without_a_huge_table() {
        let before = (0..3000).map(|i| format!("a{i}\n")).collect::<String>();
        let after = (0..3000).map(|i| format!("b{i}\n")).collect::<String>();
        assert_eq!(diff(&before, &after, 2).len(), 6000);
    }
}
