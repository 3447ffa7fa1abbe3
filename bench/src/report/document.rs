//! A report as text, tables and plots, before it is a page.

/// A report, laid out.
pub(crate) struct Document {
    pub(crate) title: String,
    /// What was compared and what came out, in two sentences.
    pub(crate) lead: String,
    /// The ratios that matter most.
    pub(crate) headlines: Vec<Headline>,
    /// How it was measured: name and value.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// The command that repeats it.
    pub(crate) command: String,
    /// What is not complete, and why.
    pub(crate) partial: Vec<String>,
    pub(crate) sections: Vec<Section>,
    /// Titles of the sections for which nothing was measured.
    pub(crate) missing: Vec<&'static str>,
}

/// A ratio with what it says.
pub(crate) struct Headline {
    pub(crate) ratio: String,
    /// `fewer` or `more`.
    pub(crate) way: &'static str,
    pub(crate) what: &'static str,
    /// Both figures and their unit.
    pub(crate) figures: String,
}

/// A part of the report under its own heading.
pub(crate) struct Section {
    /// The anchor.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) blocks: Vec<Block>,
}

/// A piece of a section.
pub(crate) enum Block {
    /// A heading below the section's.
    Heading(&'static str),
    /// A paragraph.
    Text(String),
    /// Plots that may stand side by side.
    Plots(Vec<Plot>),
    Table(Table),
}

/// A plot under its caption.
pub(crate) struct Plot {
    pub(crate) caption: String,
    /// One `svg` element.
    pub(crate) svg: String,
}

/// A table; the first column names the row.
pub(crate) struct Table {
    pub(crate) caption: String,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Whether the page shows it only when asked: a plot says the same.
    pub(crate) folded: bool,
}

impl Table {
    /// An empty table with these column heads.
    pub(crate) fn new(caption: impl Into<String>, head: Vec<String>) -> Self {
        Self { caption: caption.into(), head, rows: Vec::new(), folded: false }
    }

    /// The same, for a table that tells a plot's points.
    pub(crate) fn folded(caption: impl Into<String>, head: Vec<String>) -> Self {
        Self { folded: true, ..Self::new(caption, head) }
    }

    /// The same table without the columns in which nothing stands.
    pub(crate) fn without_empty_columns(mut self) -> Self {
        for column in (1..self.head.len()).rev() {
            let is_empty =
                |row: &Vec<Cell>| row.get(column).is_none_or(|it| matches!(it, Cell::Empty));
            if self.rows.iter().all(is_empty) {
                self.head.remove(column);
                for row in self.rows.iter_mut().filter(|row| column < row.len()) {
                    row.remove(column);
                }
            }
        }
        self
    }

    /// The same table without the rows that name something of which nothing stands there.
    pub(crate) fn without_empty_rows(mut self) -> Self {
        self.rows.retain(|row| row.iter().skip(1).any(|cell| !matches!(cell, Cell::Empty)));
        self
    }

    /// Whether a column holds words rather than figures.
    pub(crate) fn is_prose(&self, column: usize) -> bool {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.into_iter().any(|cell| matches!(cell, Cell::Text(_) | Cell::Code(_)))
    }
}

/// A cell of a table.
pub(crate) enum Cell {
    /// Nothing was measured.
    Empty,
    /// Prose or a name.
    Text(String),
    /// A name from a program.
    Code(String),
    /// A figure.
    Number(String),
    /// A ratio or a change: what the reader looks for.
    Ratio(String),
}

impl Cell {
    /// A figure with so many decimals.
    pub(crate) fn figure(value: f64, decimals: usize) -> Self {
        Self::Number(super::number::grouped(value, decimals))
    }

    /// How many times less a value is, if that can be said.
    pub(crate) fn times(reference: Option<f64>, value: Option<f64>) -> Self {
        reference
            .zip(value)
            .and_then(|(reference, value)| super::number::times(reference, value))
            .map_or(Self::Empty, |ratio| Self::Ratio(format!("{ratio}×")))
    }
}
