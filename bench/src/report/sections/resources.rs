//! Memory, sizes, and counts of modules and packages.

use std::collections::BTreeSet;

use super::{Row, View, taken};
use crate::data::Measured;
use crate::report::document::{Block, Cell};

pub(super) fn blocks(view: &View) -> Vec<Block> {
    let text = |what: &str| Cell::Text(what.to_owned());
    let mut rows = vec![
        Row::new(text("smallest memory that serves, MiB"), 0, |it| {
            taken(f64::from(it.memory?.smallest))
        }),
        Row::new(text("in use after the load, MiB"), 1, |it| {
            taken(it.memory?.used as f64 / 1024.0)
        }),
    ];
    let subjects = &view.report.subjects;
    for name in subjects.iter().flat_map(|it| it.sizes.keys()).collect::<BTreeSet<_>>() {
        let what = Cell::Text(format!("{name}, MB"));
        rows.push(Row::new(what, 3, move |it| taken(*it.sizes.get(name)? as f64 / 1e6)));
    }
    for name in subjects.iter().flat_map(|it| it.figures.keys()).collect::<BTreeSet<_>>() {
        let what = Cell::Text(name.replace('_', " "));
        rows.push(Row::new(what, 0, move |it| it.figures.get(name).map(|count| *count as f64)));
    }
    let table = view.compare("Memory and sizes".to_owned(), "figure", rows);
    if table.rows.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![Block::Table(table)];
    blocks.extend(not_searched(view).map(Block::Text));
    blocks
}

/// Which subjects have no smallest memory, and why.
fn not_searched(view: &View) -> Option<String> {
    let has_none = |it: &&Measured| it.memory.is_some_and(|memory| memory.smallest == 0);
    let without = view.subjects().into_iter().filter(has_none);
    let names: Vec<&str> = without.map(|subject| subject.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "The smallest memory of {} is not searched for: each try is the start of a whole \
             Debian, which takes a minute, and one that fails takes longer.",
            names.join(" and ")
        )
    })
}
