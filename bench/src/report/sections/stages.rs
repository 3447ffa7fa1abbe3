//! Each tailoring step beside the thesis: its table 5.2 and its figures 5.2 to 5.4
//! and 5.7 to 5.10.

use std::collections::BTreeSet;

use super::{View, taken};
use crate::data::Stage;
use crate::report::document::{Block, Cell, Plot, Table};
use crate::report::number::{change, percent, short};
use crate::report::svg::{Bar, Bars, Group};
use crate::report::thesis;

/// A group of steps: its name in the data, its heading, and what the thesis says.
const GROUPS: [(&str, &str, Option<&str>); 5] = [
    ("packages", "Superfluous packages (figure 5.2)", None),
    ("configuration", "Configuration of the kernel (figure 5.3, table 5.2)", None),
    ("devices", "Paravirtual and emulated devices (figure 5.10)", Some(thesis::PLATFORM)),
    ("flags", "Flags of the compiler (figure 5.4)", Some(thesis::FLAGS)),
    ("tailoring", "Tailoring of the kernel's source (figures 5.7 to 5.9)", None),
];

pub(super) fn blocks(view: &View) -> Vec<Block> {
    let stages = &view.report.stages;
    if stages.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![Block::Text(
        "The weighted total of the nine calls before each step and after it; a step with a plus \
         holds with those before it. The thesis counted cycles on the hardware and the kernel of \
         2010, so the directions can be compared, the sizes only roughly."
            .to_owned(),
    )];
    let known = |stage: &&Stage| GROUPS.iter().any(|(group, ..)| stage.group == *group);
    let groups = GROUPS.iter().map(|(group, heading, text)| {
        let of_group = |stage: &&Stage| stage.group == *group;
        (*heading, *text, stages.iter().filter(of_group).collect::<Vec<_>>())
    });
    let others = stages.iter().filter(|stage| !known(stage)).collect::<Vec<_>>();
    for (heading, text, stages) in groups.chain([("Other steps", None, others)]) {
        if stages.is_empty() {
            continue;
        }
        blocks.push(Block::Heading(heading));
        blocks.extend(text.map(|text| Block::Text(text.to_owned())));
        let plots = [totals(&stages), calls(view, &stages)];
        let plots: Vec<Plot> = plots.into_iter().flatten().collect();
        if !plots.is_empty() {
            blocks.push(Block::Plots(plots));
        }
        blocks.push(Block::Table(table(&stages)));
        blocks.extend(stages.iter().filter_map(|stage| figures(stage)).map(Block::Table));
    }
    blocks
}

/// The change of a stage's total in per cent.
fn change_of(stage: &Stage) -> Option<f64> {
    taken(stage.after.total).and_then(|after| change(stage.before.total, after))
}

fn thesis_of(stage: &Stage) -> Option<f64> {
    thesis::change(&stage.name).map(|change| change.percent)
}

fn label(stage: &Stage) -> String {
    if stage.cumulative { format!("+ {}", stage.name) } else { stage.name.clone() }
}

/// The total after each step, today and in the thesis.
fn totals(stages: &[&Stage]) -> Option<Plot> {
    let bar = |colour, change: f64| Bar::plain(colour, (100.0 + change).max(0.0), percent(change));
    let group = |stage: &&Stage| {
        let changes = [change_of(stage), thesis_of(stage)].into_iter().enumerate();
        let bars = changes.filter_map(|(colour, change)| Some(bar(colour, change?))).collect();
        Group { label: label(stage), bars }
    };
    let mut groups: Vec<Group> = stages.iter().map(group).collect();
    groups.retain(|group| !group.bars.is_empty());
    let mut legend = vec!["today".to_owned()];
    if stages.iter().any(|stage| thesis_of(stage).is_some()) {
        legend.push("the thesis".to_owned());
    }
    let bars = Bars { unit: "per cent of the total before", legend, groups };
    let caption = "The total after the step".to_owned();
    (!bars.groups.is_empty()).then(|| Plot { caption, svg: bars.draw() })
}

/// The cost of each call in the steps that have it, as in figure 5.4.
fn calls(view: &View, stages: &[&Stage]) -> Option<Plot> {
    let stages: Vec<&&Stage> =
        stages.iter().filter(|stage| !stage.after.calls.is_empty()).collect();
    let before = &stages.first()?.before.calls;
    // The steps of a group differ from the same state, or add up from it.
    let mut sides = vec![("before", before)];
    sides.extend(stages.iter().map(|stage| (stage.name.as_str(), &stage.after.calls)));
    let names: BTreeSet<&String> = sides.iter().flat_map(|(_, calls)| calls.keys()).collect();
    let bar = |colour, cost: Option<&f64>| {
        let note = cost.map_or_else(String::new, |cost| short(*cost));
        Bar::plain(colour, cost.copied().unwrap_or(0.0), note)
    };
    let group = |name: &&String| Group {
        label: (*name).clone(),
        bars: sides
            .iter()
            .enumerate()
            .map(|(colour, (_, calls))| bar(colour, calls.get(*name)))
            .collect(),
    };
    let unit = format!("{} per call", view.unit());
    let bars = Bars {
        unit: &unit,
        legend: sides.iter().map(|(name, _)| (*name).to_owned()).collect(),
        groups: names.iter().map(group).collect(),
    };
    Some(Plot { caption: "Each call".to_owned(), svg: bars.draw() })
}

fn table(stages: &[&Stage]) -> Table {
    let head = ["step", "what it changes", "before", "after", "change", "thesis", "its place"];
    let mut table =
        Table::new("The weighted total of the nine calls", head.map(str::to_owned).to_vec());
    for stage in stages {
        let total = |total| taken(total).map_or(Cell::Empty, |total| Cell::Number(short(total)));
        let thesis = thesis::change(&stage.name);
        table.rows.push(vec![
            Cell::Code(label(stage)),
            Cell::Text(stage.title.clone()),
            total(stage.before.total),
            total(stage.after.total),
            change_of(stage).map_or(Cell::Empty, |change| Cell::Ratio(percent(change))),
            thesis.map_or(Cell::Empty, |change| Cell::Number(percent(change.percent))),
            thesis.map_or(Cell::Empty, |change| Cell::Text(change.source.to_owned())),
        ]);
    }
    table
}

/// The other figures of a step, as in the thesis's table 5.2.
fn figures(stage: &Stage) -> Option<Table> {
    let own = stage.before.figures.keys().chain(stage.after.figures.keys());
    let mut names: BTreeSet<&str> = own.map(String::as_str).collect();
    if names.is_empty() {
        return None;
    }
    names.extend(thesis::PAIRS.iter().filter(|it| it.step == stage.name).map(|it| it.figure));
    let head = ["figure", "before", "after", "thesis, before", "thesis, after", "its place"];
    let caption = format!("Figures of {}", stage.name);
    let mut table = Table::new(caption, head.map(str::to_owned).to_vec());
    for name in names {
        let own = |figure: Option<&f64>| {
            figure.map_or(Cell::Empty, |figure| Cell::Number(short(*figure)))
        };
        let mut cells = vec![
            Cell::Text(name.replace('_', " ")),
            own(stage.before.figures.get(name)),
            own(stage.after.figures.get(name)),
        ];
        cells.extend(match thesis::figures(&stage.name, name) {
            Some(pair) => [
                Cell::Number(short(pair.before)),
                Cell::Number(short(pair.after)),
                Cell::Text(pair.source.to_owned()),
            ],
            None => [Cell::Empty, Cell::Empty, Cell::Empty],
        });
        table.rows.push(cells);
    }
    Some(table)
}
