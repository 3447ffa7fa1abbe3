//! The steps as plots.

use std::collections::BTreeSet;

use super::super::{View, load_title, taken};
use super::{change_of, label, sides};
use crate::data::{Cost, Stage};
use crate::report::document::Plot;
use crate::report::number::{percent, short};
use crate::report::svg::{Bar, Bars, Group};
use crate::report::thesis;

/// As many sides can be told apart by their colours.
const FEW: usize = 6;

/// The total after each step, today and in the thesis.
pub(super) fn totals(stages: &[&Stage]) -> Option<Plot> {
    let bar = |colour, change: f64| Bar::plain(colour, (100.0 + change).max(0.0), percent(change));
    let thesis_of = |stage: &Stage| thesis::change(&stage.name).map(|change| change.percent);
    let group = |stage: &&Stage| {
        let today = change_of(stage)?;
        let changes = [Some(today), thesis_of(stage)].into_iter().enumerate();
        let bars = changes.filter_map(|(colour, change)| Some(bar(colour, change?))).collect();
        Some(Group { label: label(stage), bars })
    };
    let groups: Vec<Group> = stages.iter().filter_map(group).collect();
    let mut legend = vec!["today".to_owned()];
    if stages.iter().any(|stage| thesis_of(stage).is_some()) {
        legend.push("the thesis".to_owned());
    }
    let bars = Bars { unit: "per cent of the total before", legend, groups };
    let caption = "The nine calls after the step".to_owned();
    (!bars.groups.is_empty()).then(|| Plot { caption, svg: bars.draw() })
}

/// What a request costs on each side.
pub(super) fn requests(view: &View, stages: &[&Stage]) -> Option<Plot> {
    let sides = sides(stages);
    let loads: BTreeSet<&String> = sides.iter().flat_map(|(_, cost)| cost.kernel.keys()).collect();
    let bar = |(colour, load): (usize, &&String), cost: &Cost| {
        let instructions = taken(*cost.kernel.get(*load)?)?;
        let exits = cost.exits.get(*load).map(|exits| format!(" · {exits:.0} exits"));
        let note = short(instructions.round()) + &exits.unwrap_or_default();
        Some(Bar::plain(colour, instructions, note))
    };
    let group = |(name, cost): &(&str, &Cost)| Group {
        label: (*name).to_owned(),
        bars: loads.iter().enumerate().filter_map(|load| bar(load, cost)).collect(),
    };
    let mut groups: Vec<Group> = sides.iter().map(group).collect();
    groups.retain(|group| !group.bars.is_empty());
    let unit = format!("kernel {} per request", view.unit());
    let legend = loads.iter().map(|load| load_title(load)).collect();
    let bars = Bars { unit: &unit, legend, groups };
    let caption = "What a request costs in the kernel".to_owned();
    (!bars.groups.is_empty()).then(|| Plot { caption, svg: bars.draw() })
}

/// The cost of each call on each side, as in figure 5.4, if they are few enough.
pub(super) fn calls(view: &View, stages: &[&Stage]) -> Option<Plot> {
    let mut sides = sides(stages);
    sides.retain(|(_, cost)| !cost.calls.is_empty());
    if sides.is_empty() || sides.len() > FEW {
        return None;
    }
    let names: BTreeSet<&String> = sides.iter().flat_map(|(_, cost)| cost.calls.keys()).collect();
    let bar = |colour, cost: Option<&f64>| {
        let note = cost.map_or_else(String::new, |cost| short(*cost));
        Bar::plain(colour, cost.copied().unwrap_or(0.0), note)
    };
    let group = |name: &&String| Group {
        label: (*name).clone(),
        bars: sides
            .iter()
            .enumerate()
            .map(|(colour, (_, cost))| bar(colour, cost.calls.get(*name)))
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
