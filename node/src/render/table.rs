//! Columns as wide as their widest cell; the last one is left as it is.

/// Rows of cells in aligned columns, two spaces apart, without trailing spaces.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A table with a line of headings.
pub(crate) fn headed<const N: usize>(headings: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut all = vec![headings.map(str::to_owned)];
    all.extend(rows);
    table(&all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters_not_bytes() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert_eq!(table(&[row("süd", "1"), row("n", "2"), row("x", "")]), "süd  1\nn    2\nx\n");
    }
}
