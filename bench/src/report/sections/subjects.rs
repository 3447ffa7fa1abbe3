//! What was compared: each subject with its kernel.

use super::View;
use crate::report::document::{Block, Cell, Table};

pub(super) fn blocks(view: &View) -> Vec<Block> {
    let head = ["name", "what it is", "kernel", "command line"].map(str::to_owned).to_vec();
    let mut table = Table::new("The subjects", head);
    for subject in &view.report.subjects {
        table.rows.push(vec![
            Cell::Code(subject.name.clone()),
            Cell::Text(subject.title.clone()),
            Cell::Code(subject.kernel.clone()),
            Cell::Code(subject.command_line.clone()),
        ]);
    }
    if table.rows.is_empty() { Vec::new() } else { vec![Block::Table(table)] }
}
