//! Each tailoring step beside the thesis: its table 5.2 and its figures 5.2 to 5.4
//! and 5.7 to 5.10.

mod plots;
mod tables;

use super::{View, measured_by, taken};
use crate::data::{Cost, Stage};
use crate::report::document::{Block, Plot};
use crate::report::number::change;
use crate::report::thesis;

/// A group of steps: its name in the data, its heading, and what has to be said of it,
/// also by the thesis.
const GROUPS: [(&str, &str, &[&str]); 6] = [
    (
        "packages",
        "Superfluous packages (figure 5.2)",
        &[
            "A whole Debian before and after its superfluous packages were removed. The nine \
             calls are those that its own lighttpd makes for a connection.",
            thesis::PACKAGES,
        ],
    ),
    (
        "configuration",
        "Configuration of the kernel (figure 5.3, table 5.2)",
        &[
            "The first step is Debian's kernel against the appliance's configuration, without any \
             change to the source. The others each take one of its decisions back.",
            thesis::CONFIGURATION,
        ],
    ),
    ("devices", "Paravirtual and emulated devices (figure 5.10)", &[thesis::PLATFORM]),
    ("flags", "Flags of the compiler (figure 5.4)", &[thesis::FLAGS]),
    (
        "tailoring",
        "Tailoring of the kernel's source (figures 5.7 to 5.9)",
        &[
            "Each tailoring alone, against the configuration and what it needs of the others; \
             then all of them together; at the end everything against Debian's kernel. The hooks \
             of security modules need no patch today: without SECURITY they are not there, so \
             that this step is the configuration against one with security modules, audit and \
             users.",
            thesis::TAILORING,
        ],
    ),
    ("kml", "The server in ring 0 (Kernel Mode Linux)", &[thesis::KML]),
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
    let of = |group: &str| stages.iter().filter(|stage| stage.group == group).collect();
    let mut groups: Vec<(&str, &[&str], Vec<&Stage>)> =
        GROUPS.iter().map(|(group, heading, texts)| (*heading, *texts, of(group))).collect();
    let known = |stage: &&Stage| GROUPS.iter().any(|(group, ..)| stage.group == *group);
    groups.push(("Other steps", &[], stages.iter().filter(|stage| !known(stage)).collect()));
    for (heading, texts, stages) in groups {
        let Some(first) = stages.first() else { continue };
        blocks.push(Block::Heading(heading));
        blocks.extend(texts.iter().map(|text| Block::Text((*text).to_owned())));
        let plots =
            [plots::totals(&stages), plots::requests(view, &stages), plots::calls(view, &stages)];
        let plots: Vec<Plot> = plots.into_iter().flatten().collect();
        if !plots.is_empty() {
            blocks.push(Block::Plots(plots));
        }
        blocks.extend(tables::all(&stages).into_iter().map(Block::Table));
        blocks.extend(measured_by(view, &first.group));
    }
    blocks
}

/// The change of a stage's total in per cent.
fn change_of(stage: &Stage) -> Option<f64> {
    taken(stage.after.total).and_then(|after| change(stage.before.total, after))
}

fn label(stage: &Stage) -> String {
    if stage.cumulative { format!("+ {}", stage.name) } else { stage.name.clone() }
}

/// The different sides of steps, in the order in which they come. One without a name is
/// called by its place.
fn sides<'a>(stages: &[&'a Stage]) -> Vec<(&'a str, &'a Cost)> {
    let mut sides: Vec<(&str, &Cost)> = Vec::new();
    for stage in stages {
        let unnamed = ["before", stage.name.as_str()];
        for (cost, unnamed) in [&stage.before, &stage.after].into_iter().zip(unnamed) {
            let name = if cost.side.is_empty() { unnamed } else { &cost.side };
            if sides.iter().all(|(other, _)| *other != name) {
                sides.push((name, cost));
            }
        }
    }
    sides
}
