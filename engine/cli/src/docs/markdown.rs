//! Pieces of Markdown.

/// A table. What stands in a cell may be Markdown; its pipes and ends of lines are taken care of.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&head.map(str::to_owned)) + "|" + &"---|".repeat(N) + "\n";
    for row in rows {
        text += &line(&row.clone().map(|cell| cell.replace('\n', " ").replace('|', "\\|")));
    }
    text
}

/// Text as code, or a dash for none.
pub(super) fn code(text: &str) -> String {
    if text.is_empty() { "–".to_owned() } else { format!("`{text}`") }
}

/// A doc comment as Markdown that stands alone: what it refers to in the source (``[`Topic`](super::Topic)``) is named and not linked, since the
/// source is not here. Links to the web stay.
pub(super) fn doc(comment: &str) -> String {
    let mut text = String::with_capacity(comment.len());
    let mut rest = comment.trim();
    while let Some(at) = rest.find('[') {
        let (before, link) = rest.split_at(at);
        text.push_str(before);
        rest = link;
        let Some(end) = link.find(']') else { break };
        let (label, after) = (&link[1..end], &link[end + 1..]);
        match after.strip_prefix('(').and_then(|target| target.split_once(')')) {
            Some((target, after)) if target.starts_with("http") => {
                text.push_str(&format!("[{label}]({target})"));
                rest = after;
            }
            Some((_, after)) => {
                text.push_str(label);
                rest = after;
            }
            // Without a target it is a link only around code; other brackets are text.
            None => {
                let linked = label.starts_with('`') && label.ends_with('`');
                text.push_str(if linked { label } else { &link[..=end] });
                rest = after;
            }
        }
    }
    text + rest
}

/// The same in one line, for a cell of a table.
pub(super) fn line(comment: &str) -> String {
    doc(comment).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first sentence, without its full stop.
pub(super) fn first_sentence(comment: &str) -> String {
    let paragraph = doc(comment);
    let paragraph = paragraph.lines().map(str::trim).take_while(|l| !l.is_empty()).collect::<Vec<_>>().join(" ");
    let end = paragraph.find(". ").map_or(paragraph.len(), |at| at + 1);
    paragraph[..end].trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_in_the_source_is_not_linked() {
        for (comment, text) in [
            ("a [`PolicyDocument`](super::PolicyDocument), or JSON", "a `PolicyDocument`, or JSON"),
            ("see [`of_vpc`]: so", "see `of_vpc`: so"),
            ("<https://a.b/c>, [the page](https://a.b)", "<https://a.b/c>, [the page](https://a.b)"),
            ("`[\"a\"]` and [x] and [", "`[\"a\"]` and [x] and ["),
            ("[ends", "[ends"),
        ] {
            assert_eq!(doc(comment), text);
        }
    }

    #[test]
    fn a_cell_cannot_end_its_row() {
        assert_eq!(table(["a"], &[["x|y\nz".to_owned()]]), "| a |\n|---|\n| x\\|y z |\n");
    }

    #[test]
    fn a_comment_is_shortened_to_its_first_sentence() {
        assert_eq!(first_sentence(" A range of\n addresses. And more.\n\n More."), "A range of addresses");
        assert_eq!(first_sentence("Only this."), "Only this");
        assert_eq!(first_sentence(""), "");
    }
}
