//! Cells of a fixed width.

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    pub(super) width: usize,
    align: Align,
}

/// Where the text of a cell is, and what remains of one that is too long.
#[derive(Debug, Clone, Copy)]
pub(super) enum Align {
    /// On the left, with its beginning.
    Left,
    /// On the left, with its end: addresses of instances differ there.
    LeftEnd,
    /// On the right. Numbers are never cut: a row out of line is better than a wrong number.
    Right,
}

impl Column {
    pub(super) const fn new(title: &'static str, width: usize, align: Align) -> Self {
        Self {
            title,
            width,
            align,
        }
    }

    pub(super) fn cell(self, text: &str) -> String {
        cell(text, self.width, self.align)
    }
}

/// The least width of the first column.
const MIN_FIRST: usize = 14;

/// Returns the width of the first column: that of its longest name, if the terminal has the space.
pub(super) fn first_width<'a>(
    names: impl Iterator<Item = &'a str>,
    columns: &[Column],
    width: usize,
) -> usize {
    let longest = names.map(|name| name.chars().count()).max().unwrap_or(0);
    let others: usize = columns.iter().map(|column| column.width).sum();
    let space = width.saturating_sub(others).max(MIN_FIRST);
    (longest + 1).clamp(MIN_FIRST, space)
}

/// Returns the titles of a table, whose first column has another width for each terminal.
pub(super) fn header(first: &str, width: usize, columns: &[Column]) -> String {
    let titles = columns.iter().map(|column| column.cell(column.title));
    cell(first, width, Align::Left) + &titles.collect::<String>()
}

/// Returns a text in the width of its cell.
pub(super) fn cell(text: &str, width: usize, align: Align) -> String {
    let length = text.chars().count();
    // The space separates it from the next column.
    let kept = width.saturating_sub(2);
    match align {
        Align::Right => format!("{text:>width$}"),
        _ if length < width => format!("{text:<width$}"),
        Align::Left => text.chars().take(kept).chain("… ".chars()).collect(),
        Align::LeftEnd => {
            let end = text.chars().skip(length - kept);
            ['…'].into_iter().chain(end).chain([' ']).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_column_fits_its_names_and_the_terminal() {
        let columns = [Column::new("A", 10, Align::Right)];
        let width = |name: &str, width| first_width([name].into_iter(), &columns, width);
        assert_eq!(width("short", 80), MIN_FIRST);
        assert_eq!(width("a name of 20 letters", 80), 21);
        assert_eq!(width("a name of 20 letters", 28), 18);
        assert_eq!(width("a name of 20 letters", 1), MIN_FIRST);
    }

    #[test]
    fn names_are_cut_and_numbers_are_not() {
        assert_eq!(cell("abc", 5, Align::Left), "abc  ");
        assert_eq!(cell("abcdef", 5, Align::Left), "abc… ");
        assert_eq!(cell("abcdef", 5, Align::LeftEnd), "…def ");
        assert_eq!(cell("1", 3, Align::Right), "  1");
        assert_eq!(cell("1234", 3, Align::Right), "1234");
    }
}
