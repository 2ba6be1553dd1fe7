//! Tidy tables: columns as wide as their widest cell, two spaces between, nothing after the last.

use super::style::{DIM, paint};

/// Lays rows out under their heads. Without rows there is no table.
pub(crate) fn table<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heads.map(|h| h.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let mut text = String::new();
        for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
            text.push_str(cell);
            if i + 1 < N {
                text.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
            }
        }
        text.truncate(text.trim_end().len());
        text
    };
    let mut text = format!("{}\n", paint(DIM, line(heads)));
    for row in rows {
        text.push_str(&line(row.each_ref().map(String::as_str)));
        text.push('\n');
    }
    text
}

/// Names and values under each other, for one thing's properties.
pub(crate) fn properties(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{}  {value}\n", paint(DIM, format_args!("{name:<width$}")))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["dev".into(), "40".into(), String::new()], ["production".into(), "2".into(), "x".into()]];
        let text = anstream::adapter::strip_str(&table(["NAME", "RESOURCES", "NOTE"], &rows)).to_string();
        assert_eq!(text, "NAME        RESOURCES  NOTE\ndev         40\nproduction  2          x\n");
    }
}
