//! The report as Markdown, for a README or a pull request: everything but the plots.

use std::fmt::Write as _;

use super::document::{Block, Cell, Document, Table};
use super::escape;

/// The whole report.
pub(super) fn text(document: &Document) -> String {
    let mut out = format!(
        "# {}\n\n{}\n",
        escape::markdown(&document.title),
        escape::markdown(&document.lead)
    );
    if !document.headlines.is_empty() {
        out.push_str("\n| ratio | what | figures |\n|---:|:---|:---|\n");
    }
    for headline in &document.headlines {
        let _ = writeln!(
            out,
            "| **{}** | {} {} | {} |",
            escape::markdown(&headline.ratio),
            headline.way,
            headline.what,
            escape::markdown(&headline.figures)
        );
    }
    out.push('\n');
    for (name, value) in &document.facts {
        let _ = writeln!(out, "- {name}: {}", escape::markdown(value));
    }
    if !document.command.is_empty() {
        let _ = writeln!(out, "- To repeat it: {}", code(&document.command));
    }
    for reason in &document.partial {
        let _ = writeln!(out, "- Not complete: {}", escape::markdown(reason));
    }
    if !document.missing.is_empty() {
        let _ = writeln!(out, "- Not measured in this run: {}", document.missing.join("; "));
    }
    for section in &document.sections {
        let _ = write!(out, "\n## {}\n", section.title);
        for block in &section.blocks {
            match block {
                Block::Heading(title) => {
                    let _ = write!(out, "\n### {title}\n");
                }
                Block::Text(text) => {
                    let _ = write!(out, "\n{}\n", escape::markdown(text));
                }
                Block::Plots(_) => {}
                Block::Table(table) => write_table(&mut out, table),
            }
        }
    }
    out
}

fn write_table(out: &mut String, table: &Table) {
    let _ = write!(out, "\n{}:\n\n|", escape::markdown(&table.caption));
    for head in &table.head {
        let _ = write!(out, " {} |", escape::markdown(head));
    }
    out.push_str("\n|");
    for column in 0..table.head.len() {
        out.push_str(if column == 0 || table.is_prose(column) { ":---|" } else { "---:|" });
    }
    out.push('\n');
    for row in &table.rows {
        out.push('|');
        for cell in row {
            let text = match cell {
                Cell::Empty => String::new(),
                Cell::Text(text) | Cell::Number(text) => escape::markdown(text),
                Cell::Code(text) => code(text),
                Cell::Ratio(text) => format!("**{}**", escape::markdown(text)),
            };
            let _ = write!(out, " {text} |");
        }
        out.push('\n');
    }
}

/// A name in code letters, where it can be one: a backquote cannot be escaped there,
/// and a vertical bar ends a cell even there.
fn code(text: &str) -> String {
    if text.is_empty() || text.contains(['`', '|', '\n', '\\']) || text.contains(char::is_control) {
        return escape::markdown(text);
    }
    format!("`{text}`")
}
