//! A profile as a page, as Markdown and as JSON.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::document::{Block, Cell, Document, Plot, Section, Table};
use super::number::{grouped, short};
use super::outline::facts;
use super::sections::load_title;
use super::svg::{Bar, Bars, Group};
use super::{html, markdown, write_files};
use crate::profile::{Grouping, Profile, UnusedPart};

/// The names of the files that [`write()`] makes in a directory.
pub const FILES: [&str; 3] = ["index.html", "profile.json", "profile.md"];

/// How many bars a plot has.
const DRAWN: usize = 15;
/// How many rows a table has; the JSON has all of them.
const LISTED: usize = 40;

/// The page: self-contained, without a script.
pub fn page(profile: &Profile) -> String {
    html::page(&document(profile))
}

/// The profile as Markdown, without the plots.
pub fn text(profile: &Profile) -> String {
    markdown::text(&document(profile))
}

/// All figures.
///
/// # Errors
/// When they cannot be said in JSON.
pub fn json(profile: &Profile) -> Result<String> {
    let text = serde_json::to_string_pretty(profile).context("writing the profile as JSON")?;
    Ok(text + "\n")
}

/// Writes the page to a file whose name ends with `.html`, or [`FILES`] into a directory
/// that is made for them or holds an older profile.
///
/// # Errors
/// When something cannot be written, or the directory holds anything else.
pub fn write(profile: &Profile, place: &Path) -> Result<()> {
    if !is_page(place) {
        let texts = [page(profile), json(profile)?, text(profile)];
        return write_files(place, FILES.into_iter().zip(texts).collect());
    }
    if let Some(dir) = place.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::create_dir_all(dir).map_err(|error| host::explain_io(error, dir))?;
    }
    host::write_atomically(place, page(profile).as_bytes())
}

/// Whether a place is that of a page alone, rather than a directory.
pub fn is_page(place: &Path) -> bool {
    place.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("html"))
}

/// Lays a profile out.
fn document(profile: &Profile) -> Document {
    let load = load_title(&profile.load);
    let never = profile.never_executed.all;
    let lead = format!(
        "One {load} to {} takes {} instructions in the kernel, {} of them in interrupts, and {} in \
         programs; this is the mean of all {}, also of those that are dear for once. Of {} functions of the kernel, {} with {} of {} bytes were \
         executed neither in the start nor under the load.",
        profile.subject,
        grouped(profile.kernel, 0),
        grouped(profile.interrupts, 0),
        grouped(profile.user, 0),
        grouped(profile.requests as f64, 0),
        grouped(never.of as f64, 0),
        grouped(never.functions as f64, 0),
        grouped(never.bytes as f64, 0),
        grouped(never.of_bytes as f64, 0),
    );
    let mut partial = Vec::new();
    if profile.grouping == Grouping::Prefix {
        partial.push(
            "no compiled source of this kernel is in the cache, so functions are gathered by the \
             first word of their names rather than by folder: `appliance clean` and a new build \
             bring it back"
                .to_owned(),
        );
    }
    Document {
        title: format!("Where one {load} goes"),
        lead,
        headlines: Vec::new(),
        facts: facts(&profile.environment),
        command: profile.environment.command.clone(),
        partial,
        sections: vec![
            section("syscalls", "System calls", calls(profile)),
            section("functions", "The hottest kernel functions", functions(profile)),
            section("parts", "The hottest parts of the kernel", parts(profile)),
            section("allocations", "Where memory is allocated", allocations(profile)),
            section("never", "What was never executed", never_executed(profile)),
        ],
        missing: Vec::new(),
    }
}

fn section(id: &'static str, title: &'static str, blocks: Vec<Block>) -> Section {
    Section { id, title, blocks }
}

fn calls(profile: &Profile) -> Vec<Block> {
    let head = [
        "call",
        "calls per request",
        "instructions each",
        "of the cheapest",
        "instructions per request",
        "share, %",
    ];
    let mut table = table("System calls", &head);
    for call in &profile.calls {
        table.rows.push(vec![
            Cell::Code(call.call.clone()),
            Cell::figure(call.count, 2),
            Cell::figure(call.each, 0),
            Cell::figure(call.least as f64, 0),
            Cell::Number(short(call.instructions)),
            percent(call.share),
        ]);
    }
    let bars = profile.calls.iter().map(|it| (it.call.as_str(), it.instructions, it.share));
    let exits = profile.exits.iter().filter(|(_, count)| **count > 0.0);
    let exits: Vec<String> =
        exits.map(|(kind, count)| format!("{kind} {}", short(*count))).collect();
    let exits = if exits.is_empty() { "none".to_owned() } else { exits.join(", ") };
    let text = "Instructions from entry to return, interrupts and softirqs apart; the share is \
                of all that the kernel does for a request.";
    vec![
        Block::Text(text.to_owned()),
        plot("System calls", "instructions per request", bars),
        Block::Table(table),
        Block::Text(format!("Exits of a virtual machine per request: {exits}.")),
    ]
}

fn functions(profile: &Profile) -> Vec<Block> {
    let mut table =
        table("Functions", &["function", "instructions per request", "share, %", "part"]);
    for function in profile.functions.iter().take(LISTED) {
        table.rows.push(vec![
            Cell::Code(function.function.clone()),
            Cell::Number(short(function.instructions)),
            percent(function.share),
            name(function.part.as_deref()),
        ]);
    }
    let bars = profile.functions.iter();
    let bars = bars.map(|it| (it.function.as_str(), it.instructions, it.share));
    let text = "The share is of the instructions of all functions, those of the timer and the \
                idle task among them.";
    vec![
        Block::Text(text.to_owned()),
        plot("Functions", "instructions per request", bars),
        Block::Table(table),
    ]
}

fn parts(profile: &Profile) -> Vec<Block> {
    let mut table = table(by(profile), &["part", "instructions per request", "share, %"]);
    for part in profile.parts.iter().take(LISTED) {
        table.rows.push(vec![
            name(part.part.as_deref()),
            Cell::Number(short(part.instructions)),
            percent(part.share),
        ]);
    }
    let bars = profile.parts.iter();
    let bars = bars.map(|it| (part_name(it.part.as_deref()), it.instructions, it.share));
    vec![plot(by(profile), "instructions per request", bars), Block::Table(table)]
}

fn allocations(profile: &Profile) -> Vec<Block> {
    let mut table = table("Calls that allocate memory", &["in", "calls", "per request"]);
    for site in profile.allocations.iter().take(LISTED) {
        table.rows.push(vec![
            Cell::Code(site.caller.clone()),
            Cell::Code(site.calls.clone()),
            Cell::figure(site.count, 2),
        ]);
    }
    match table.rows.is_empty() {
        true => vec![Block::Text("The kernel allocated no memory.".to_owned())],
        false => vec![Block::Table(table)],
    }
}

fn never_executed(profile: &Profile) -> Vec<Block> {
    let never = &profile.never_executed;
    let head = ["part", "bytes never executed", "of", "functions never executed", "of"];
    let mut by_part = table(by(profile), &head);
    for UnusedPart { part, unused } in never.parts.iter().take(LISTED) {
        let figures = [unused.bytes, unused.of_bytes, unused.functions, unused.of];
        let figures = figures.map(|figure| Cell::figure(figure as f64, 0));
        by_part.rows.push(std::iter::once(name(part.as_deref())).chain(figures).collect());
    }
    let mut largest = table("The largest functions", &["function", "bytes", "part"]);
    for function in never.largest.iter().take(LISTED) {
        largest.rows.push(vec![
            Cell::Code(function.function.clone()),
            Cell::figure(function.bytes as f64, 0),
            name(function.part.as_deref()),
        ]);
    }
    let text = "In the start and under the load; these are the next candidates for removal. What \
                lies unused until something fails is among them.";
    vec![
        Block::Text(text.to_owned()),
        Block::Plots(vec![unused_plot(by(profile), &never.parts)]),
        Block::Table(by_part),
        Block::Table(largest),
    ]
}

/// Bytes of the parts with most that was never executed.
fn unused_plot(caption: &str, parts: &[UnusedPart]) -> Plot {
    let group = |it: &UnusedPart| {
        let executed = it.unused.of_bytes - it.unused.bytes;
        let lengths = [it.unused.bytes as f64, executed as f64];
        Group {
            label: part_name(it.part.as_deref()).to_owned(),
            bars: vec![Bar {
                parts: lengths.into_iter().enumerate().collect(),
                note: short(it.unused.bytes as f64),
            }],
        }
    };
    let bars = Bars {
        unit: "bytes",
        legend: ["never executed", "executed"].map(str::to_owned).to_vec(),
        groups: parts.iter().take(DRAWN).map(group).collect(),
    };
    Plot { caption: caption.to_owned(), svg: bars.draw() }
}

/// Bars with their share at the end.
fn plot<'a>(caption: &str, unit: &str, bars: impl Iterator<Item = (&'a str, f64, f64)>) -> Block {
    let group = |(label, length, share): (&str, f64, f64)| {
        let note = format!("{} · {} %", short(length), grouped(100.0 * share, 1));
        Group { label: label.to_owned(), bars: vec![Bar::plain(0, length, note)] }
    };
    let bars = Bars { unit, legend: Vec::new(), groups: bars.take(DRAWN).map(group).collect() };
    Block::Plots(vec![Plot { caption: caption.to_owned(), svg: bars.draw() }])
}

fn table(caption: &str, head: &[&str]) -> Table {
    Table::new(caption, head.iter().map(|it| (*it).to_owned()).collect())
}

/// What a part of the kernel is.
fn by(profile: &Profile) -> &'static str {
    match profile.grouping {
        Grouping::Folder => "By folder of the source",
        Grouping::Prefix => "By the first word of the function's name",
    }
}

fn part_name(part: Option<&str>) -> &str {
    part.unwrap_or("not known")
}

fn name(part: Option<&str>) -> Cell {
    part.map_or(Cell::Empty, |part| Cell::Code(part.to_owned()))
}

fn percent(share: f64) -> Cell {
    Cell::figure(100.0 * share, 1)
}
