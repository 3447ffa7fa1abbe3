//! The report as text for a terminal of 80 columns.

use std::fmt::Write as _;

use super::report::{Configuration, DiskReport, FileReport, PartitionReport, Report, Share};
use crate::manifest::Vmware;
use crate::text::size;

/// Columns of a line.
const WIDTH: usize = 80;
/// Columns of a path, where a reason follows.
const PATH_WIDTH: usize = 30;
/// Columns before a path: a size and spaces.
const SIZE_WIDTH: usize = 12;
/// How many files of a file system are shown.
const FILES_SHOWN: usize = 20;

/// Renders the report.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    let title = [("appliance", &report.name), ("built for", &report.target)];
    let facts = [("kernel", &report.kernel), ("command line", &report.command_line)];
    for (what, value) in title.into_iter().chain(facts) {
        if let Some(value) = value {
            paragraph(&mut text, &format!("{what}: {}", plain(value)), "  ");
        }
    }
    if let Some(profile) = &report.profile {
        paragraph(&mut text, &plain(profile), "  ");
    }
    if let Some(vmware) = &report.vmware {
        render_package(&mut text, vmware);
    }
    if let Some(disk) = &report.disk {
        render_disk(&mut text, disk);
    }
    if !report.initramfs.is_empty() {
        heading(&mut text, "initramfs");
        render_files(&mut text, &report.initramfs);
    }
    if let Some(configuration) = &report.configuration {
        render_configuration(&mut text, configuration);
    }
    if !report.outputs.is_empty() {
        heading(&mut text, "files of the build");
        render_files(&mut text, &report.outputs);
    }
    if !report.shares.is_empty() {
        render_shares(&mut text, &report.shares);
    }
    for problem in &report.problems {
        paragraph(&mut text, &format!("\nnot read: {}", plain(problem)), "  ");
    }
    text.truncate(text.trim_end().len());
    text
}

fn render_package(text: &mut String, vmware: &Vmware) {
    let Vmware { hardware_version, guest_id, firmware, network, memory } = vmware;
    let line = format!(
        "package: {} for {}, {} MiB, {} on pvscsi, vmxnet3 on \"{}\"",
        plain(hardware_version),
        plain(guest_id),
        memory,
        firmware.title(),
        plain(network)
    );
    paragraph(text, &line, "  ");
}

fn render_disk(text: &mut String, disk: &DiskReport) {
    let DiskReport { image, format, file_bytes, bytes, .. } = disk;
    let line = format!(
        "disk: {} as {format} in {}, which takes {}",
        size(*bytes),
        plain(image),
        size(*file_bytes)
    );
    paragraph(text, &line, "  ");
    for partition in &disk.partitions {
        render_partition(text, partition);
    }
}

fn render_partition(text: &mut String, partition: &PartitionReport) {
    let PartitionReport { number, name, kind, bytes, filesystem, problem, .. } = partition;
    let mut line = format!("partition {number} \"{}\", {kind}, {}", plain(name), size(*bytes));
    if let Some(filesystem) = filesystem {
        let _ = write!(line, ": {} {}", filesystem.kind, filesystem.id);
    }
    heading(text, &line);
    match (filesystem, problem) {
        (Some(filesystem), _) => render_files(text, &filesystem.files),
        (None, Some(problem)) => paragraph(text, &format!("  {}", plain(problem)), "  "),
        (None, None) => text.push_str("  no file system that we know\n"),
    }
}

/// The files, or the largest of them if they are many.
fn render_files(text: &mut String, files: &[FileReport]) {
    let mut shown: Vec<&FileReport> =
        files.iter().filter(|file| !file.path.ends_with('/')).collect();
    let all = shown.len();
    if all > FILES_SHOWN {
        shown.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
    }
    // Without the directory of a build nobody knows the reasons of an initramfs.
    let unknown = if files.iter().any(|file| file.why.is_some()) { "not known to us" } else { "" };
    let rest: u64 =
        shown.iter().skip(FILES_SHOWN).map(|file| file.bytes).fold(0, u64::saturating_add);
    for file in shown.into_iter().take(FILES_SHOWN) {
        render_file(text, file, unknown);
    }
    if all > FILES_SHOWN {
        let more = all - FILES_SHOWN;
        let _ = writeln!(text, "{:>10}  in {more} more files (--json lists all)", size(rest));
    }
}

fn render_file(text: &mut String, file: &FileReport, unknown: &str) {
    let path = shorten(&plain(&file.path), WIDTH - SIZE_WIDTH);
    let why = file.why.as_deref().unwrap_or(unknown);
    let indent = " ".repeat(SIZE_WIDTH + PATH_WIDTH + 2);
    let start = format!("{:>10}  {path:<PATH_WIDTH$}  ", size(file.bytes));
    if path.chars().count() > PATH_WIDTH {
        let _ = writeln!(text, "{}", start.trim_end());
        paragraph(text, &format!("{indent}{}", plain(why)), &indent);
    } else {
        paragraph(text, &format!("{start}{}", plain(why)), &indent);
    }
}

fn render_configuration(text: &mut String, configuration: &Configuration) {
    heading(text, "configuration of the kernel");
    let Configuration { built_in, modules, answers } = configuration;
    let _ = writeln!(text, "  {built_in} options built in, {modules} as modules");
    for (on, start) in [(true, "  with:    "), (false, "  without: ")] {
        let list: Vec<&str> = answers.iter().filter(|a| a.on == on).map(|a| &a.what[..]).collect();
        if !list.is_empty() {
            paragraph(text, &format!("{start}{}", list.join(", ")), "           ");
        }
    }
}

fn render_shares(text: &mut String, shares: &[Share]) {
    heading(text, "where the bytes of the disk went");
    let total = shares.iter().map(|share| share.bytes).fold(0, u64::saturating_add);
    for Share { what, bytes } in shares {
        let tenths = (u128::from(*bytes) * 1000 + u128::from(total) / 2) / u128::from(total.max(1));
        let percent = format!("{}.{} %", tenths / 10, tenths % 10);
        let _ = writeln!(text, "{:>10}  {percent:>7}  {what}", size(*bytes));
    }
    let _ = writeln!(text, "{:>10}  100.0 %  in all", size(total));
}

fn heading(text: &mut String, line: &str) {
    text.push('\n');
    paragraph(text, line, "  ");
}

/// Adds a text that is wrapped at spaces, and elsewhere where it must be; all
/// lines but the first are indented.
fn paragraph(text: &mut String, paragraph: &str, indent: &str) {
    let mut line = String::new();
    let mut columns = 0;
    for word in paragraph.split_inclusive(' ') {
        let mut word = word;
        loop {
            let width = word.trim_end().chars().count();
            if columns + width <= WIDTH {
                line.push_str(word);
                columns += word.chars().count();
                break;
            }
            if line.trim().is_empty() || line == indent {
                // A word that is longer than a line.
                let cut = word.char_indices().nth(WIDTH - columns).map_or(word.len(), |(at, _)| at);
                line.push_str(&word[..cut]);
                word = &word[cut..];
            }
            let _ = writeln!(text, "{}", line.trim_end());
            line = indent.to_owned();
            columns = indent.chars().count();
        }
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

/// A text without anything that a terminal would act on.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let strange =
                c.is_control() || matches!(c, '\u{200e}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            let escaped = strange.then(|| c.escape_unicode());
            escaped.into_iter().flatten().chain((!strange).then_some(c))
        })
        .collect()
}

/// Cuts the middle out of a text that is too long.
fn shorten(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    let (head, tail) = (width / 2, width - width / 2 - 1);
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(count - tail).collect();
    format!("{start}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_wrapped() {
        let mut text = String::new();
        paragraph(&mut text, &format!("first {} {}", "word ".repeat(20), "x".repeat(200)), "  ");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("  ")), "{text}");
        assert_eq!(text.matches('x').count(), 200);
        assert_eq!(text.matches("word").count(), 20);
    }

    #[test]
    fn nothing_reaches_the_terminal_as_a_command() {
        assert_eq!(plain("a\x1b[2J\u{202e}b"), "a\\u{1b}[2J\\u{202e}b");
    }

    #[test]
    fn long_paths_lose_their_middle() {
        assert_eq!(shorten("abcdefghij", 7), "abc…hij");
        assert_eq!(shorten("abc", 7), "abc");
    }
}
