//! The sections of a report, each from its part of the data. One for which nothing
//! was measured says nothing.

mod boot;
mod functions;
mod ramp;
mod requests;
mod resources;
mod schedulers;
mod stages;
mod subjects;
mod syscalls;

use crate::data::{Measured, Report};

use super::document::{Block, Cell, Section, Table};
use super::number;

/// A report with what every section asks of it.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) report: &'a Report,
    /// The subject that the report is about.
    pub(super) own: Option<&'a Measured>,
    /// The one that ratios refer to, if it is another.
    pub(super) reference: Option<&'a Measured>,
}

/// A figure of a subject, if it was taken.
type Value<'a> = Box<dyn Fn(&Measured) -> Option<f64> + 'a>;

/// A row of a comparison.
struct Row<'a> {
    what: Cell,
    value: Value<'a>,
    decimals: usize,
    /// Whether less is better, so that a multiple says something.
    multiple: bool,
}

impl<'a> Row<'a> {
    fn new(what: Cell, decimals: usize, value: impl Fn(&Measured) -> Option<f64> + 'a) -> Self {
        Self { what, value: Box::new(value), decimals, multiple: true }
    }
}

impl<'a> View<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        Self { report, own: report.own(), reference: report.baseline() }
    }

    /// What a count of work is.
    pub(super) fn unit(&self) -> &'static str {
        if self.report.environment.accelerator == "kvm" { "cycles" } else { "instructions" }
    }

    /// The subjects: the own one, the reference, then the others as they come.
    fn subjects(&self) -> Vec<&'a Measured> {
        let main: Vec<_> = self.own.into_iter().chain(self.reference).collect();
        let is_main = |subject: &Measured| main.iter().any(|it| std::ptr::eq(*it, subject));
        let others = self.report.subjects.iter().filter(|subject| !is_main(subject));
        main.iter().copied().chain(others).collect()
    }

    /// The first subjects that have something, for plots that have room for a few.
    fn few(&self, has: impl Fn(&Measured) -> bool) -> Vec<&'a Measured> {
        self.subjects().into_iter().filter(|subject| has(subject)).take(FEW).collect()
    }

    /// What a reader has to know of [`View::multiple`].
    fn legend(&self) -> &'static str {
        match self.reference {
            Some(_) => " The multiple at a bar's end says how many times more the reference needs.",
            None => "",
        }
    }

    /// What stands at the end of the own bar: how many times more the reference has.
    fn multiple(
        &self,
        subject: &Measured,
        value: impl Fn(&Measured) -> Option<f64>,
    ) -> Option<String> {
        let own = self.own.filter(|own| std::ptr::eq(*own, subject))?;
        let ratio = number::times(value(self.reference?)?, value(own)?)?;
        Some(format!("{ratio}×"))
    }

    /// A table with a column for each subject that has a value, and the reference
    /// as a multiple of the own subject. A row that nobody has is left out.
    fn compare(&self, caption: String, first: &str, rows: Vec<Row>) -> Table {
        let mut subjects = self.subjects();
        subjects.retain(|subject| rows.iter().any(|row| (row.value)(subject).is_some()));
        let mut head = vec![first.to_owned()];
        head.extend(subjects.iter().map(|subject| subject.name.clone()));
        // The multiple stands beside the two that it is made of.
        let place = head.len().min(3);
        if let (Some(own), Some(reference)) = (self.own, self.reference) {
            head.insert(place, format!("{} / {}", reference.name, own.name));
        }
        let mut table = Table::new(caption, head);
        for row in rows {
            let values: Vec<_> = subjects.iter().map(|subject| (row.value)(subject)).collect();
            if values.iter().all(Option::is_none) {
                continue;
            }
            let figure = |value| Cell::figure(value, row.decimals);
            let figures = values.into_iter().map(|value| value.map_or(Cell::Empty, figure));
            let mut cells: Vec<Cell> = std::iter::once(row.what).chain(figures).collect();
            if let (Some(own), Some(reference)) = (self.own, self.reference) {
                let value = |subject| (row.value)(subject).filter(|_| row.multiple);
                cells.insert(place, Cell::times(value(reference), value(own)));
            }
            table.rows.push(cells);
        }
        table
    }
}

/// How many subjects a plot shows.
const FEW: usize = 4;

/// A figure that was taken; 0 stands for none.
fn taken(value: f64) -> Option<f64> {
    (value > 0.0 && value.is_finite()).then_some(value)
}

/// A text with a large first letter.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Which run measured a group of stages, and what it left out.
fn measured_by(view: &View, group: &str) -> Vec<Block> {
    let Some(run) = view.report.stage_runs.get(group) else { return Vec::new() };
    let environment = &run.environment;
    let mut text = format!(
        "Measured on {} with Linux {} by {}.",
        environment.date, run.kernel, environment.command
    );
    for why in &run.partial {
        text.push_str(&format!(" Not complete: {why}."));
    }
    vec![Block::Text(text)]
}

/// The word for a load.
pub(super) fn load_title(load: &str) -> String {
    match load {
        "keepalive" => "keep-alive request",
        "connect" => "new connection",
        "crawl" => "request of the crawl",
        "http2" => "HTTP/2 request",
        "list" => "request of the list",
        other => other,
    }
    .to_owned()
}

/// The loads that were measured, the two main ones first.
fn loads(report: &Report) -> Vec<&str> {
    let mut loads: Vec<&str> = report
        .subjects
        .iter()
        .flat_map(|subject| subject.requests.keys())
        .map(String::as_str)
        .collect();
    loads.sort_by_key(|load| (*load != "keepalive", *load != "connect", *load));
    loads.dedup();
    loads
}

/// Everything that was measured, and the titles of what was not.
pub(super) fn sections(view: &View) -> (Vec<Section>, Vec<&'static str>) {
    type Build = fn(&View) -> Vec<Block>;
    let all: [(&str, &str, Build); 9] = [
        ("syscalls", "System calls", syscalls::blocks),
        ("requests", "Requests", requests::blocks),
        ("functions", "The hottest kernel functions", functions::blocks),
        ("boot", "From reset to the first answer", boot::blocks),
        ("ramp", "Under a rising rate of connections", ramp::blocks),
        ("stages", "Step by step, beside the thesis", stages::blocks),
        ("schedulers", "I/O schedulers", schedulers::blocks),
        ("resources", "Memory and sizes", resources::blocks),
        ("subjects", "What was compared", subjects::blocks),
    ];
    let (mut sections, mut missing) = (Vec::new(), Vec::new());
    for (id, title, build) in all {
        let blocks = build(view);
        if blocks.is_empty() {
            missing.push(title);
        } else {
            sections.push(Section { id, title, blocks });
        }
    }
    (sections, missing)
}
