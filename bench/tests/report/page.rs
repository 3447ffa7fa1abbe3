//! The page and the Markdown: what they say, and that they are well formed.

use bench::data::{Measured, Report, Requests};
use bench::report::{self, quick};

use crate::fixture;

/// Elements of HTML that have no end.
const VOID: [&str; 2] = ["meta", "br"];

/// The names of the tags, after checking that each that is opened is closed in its
/// turn.
pub(crate) fn check_tags(html: &str) -> Vec<String> {
    let (mut open, mut seen) = (Vec::new(), Vec::new());
    let (head, rest) = html.split_once("<style>").unwrap();
    let text = format!("{head}{}", rest.split_once("</style>").unwrap().1);
    for tag in text.split('<').skip(1).map(|rest| rest.split_once('>').unwrap().0) {
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap().to_owned();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "</...> of another element");
        } else if !(tag.starts_with('!') || tag.ends_with('/') || VOID.contains(&name.as_str())) {
            open.push(name.clone());
            seen.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    seen
}

#[test]
fn the_page_says_what_was_compared_and_what_came_out() {
    let html = report::html(&fixture::report());
    let tags = check_tags(&html);
    for part in [
        "The appliance `hello` is compared with Debian&#39;s cloud kernel with our server",
        "1.48 times fewer in the kernel per keep-alive request,",
        "and 54.6 times fewer to the first HTTP 200.",
        "appliance bench build/hello-kvm --report docs/report",
        "7.2.22",
        "a tap device",
        "2026-11-23",
        "the package exim4 could not be had",
        "277,473,486",
        "figure 5.3, p. 70",
        "449 → 431",
        "8.35 · 10⁷ cycles",
        "2.5410 · 10¹¹ cycles",
        "KiB per second",
        "\u{2212}50.1 %",
        "limit of the client",
        "16,580 · 11 exits",
        "the medians differ by 3.3 % at most",
        "Measured on 2026-11-24 with Linux 6.12.117 by ./appliance bench --stages=devices",
        "Not complete: a step could not be built.",
        "<strong>2.46×</strong>",
        "stock-kernel 3,475 million, 579 behind it",
        "The smallest memory of stock-6.1 is not searched for",
        "34,000,000",
    ] {
        assert!(html.contains(part), "the page lacks {part:?}");
    }
    assert!(!html.contains("Not measured in this run"));
    assert_eq!(tags.iter().filter(|tag| *tag == "section").count(), 9);
}

#[test]
fn the_page_needs_nothing_from_outside() {
    let html = report::html(&fixture::report());
    for part in
        ["<script", "<link", "<img", "src=", "url(", "@import", "http:", "https:", "@font-face"]
    {
        assert!(!html.contains(part), "the page has {part:?}");
    }
    let targets = html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for target in targets {
        assert!(html.contains(&format!("id=\"{}\"", target.strip_prefix('#').unwrap())));
    }
}

#[test]
fn what_was_not_measured_is_left_out_and_named() {
    let mut report = fixture::report();
    report.stages.clear();
    report.subjects.iter_mut().for_each(|subject| subject.ramp.clear());
    let html = report::html(&report);
    check_tags(&html);
    let line = "Not measured in this run: Under a rising rate of connections; Step by step, beside the thesis.";
    assert!(html.contains(line));
    assert!(!html.contains("id=\"ramp\"") && !html.contains("id=\"stages\""));

    let lonely = Report { subjects: vec![Measured::default()], ..Report::default() };
    for report in [Report::default(), lonely] {
        check_tags(&report::html(&report));
        assert!(!report::markdown(&report).contains('×'));
    }
}

#[test]
fn a_reference_that_was_not_measured_gives_no_ratio() {
    let mut report = fixture::report();
    report.reference = "stock-machine".to_owned();
    let html = report::html(&report);
    assert!(!html.contains('×'));
    assert!(html.contains("the reference &quot;stock-machine&quot; was not measured"));
}

#[test]
fn every_row_of_markdown_has_the_columns_of_its_table() {
    let text = report::markdown(&fixture::report());
    assert!(text.contains("| `close` | 449 | 1,106 | **2.46×** |"), "{text}");
    let mut columns = None;
    for line in text.lines() {
        let bars = line.replace("\\|", "").matches('|').count();
        match columns {
            Some(columns) if bars > 0 => assert_eq!(bars, columns, "{line}"),
            _ => columns = Some(bars).filter(|bars| *bars > 0),
        }
    }
}

#[test]
fn with_kvm_there_are_cycles_and_no_counts() {
    let mut report = fixture::report();
    report.environment.accelerator = "kvm".to_owned();
    for subject in &mut report.subjects {
        for call in subject.syscalls.iter_mut().flat_map(|syscalls| syscalls.calls.values_mut()) {
            call.instructions = 0;
        }
        for requests in subject.requests.values_mut() {
            let per_second = requests.per_second;
            *requests = Requests { per_second, ..Requests::default() };
        }
        for boot in subject.boot.values_mut() {
            boot.instructions = 0;
            boot.phases.iter_mut().for_each(|phase| phase.instructions = 0);
        }
    }
    let html = report::html(&report);
    check_tags(&html);
    assert!(html.contains("Cycles per call") && html.contains("requests per second"));
    assert!(
        !html.contains("instructions per request")
            && !html.contains("0.00")
            && !html.contains("NaN")
    );
    let object = quick::object(&report);
    assert!(object.get("request").is_none() && object.get("boot").is_none());
}
