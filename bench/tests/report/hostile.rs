//! Names that try to be markup, and figures at the ends of their range.

use bench::data::Report;
use bench::report;
use serde_json::Value;

use crate::fixture;
use crate::page::check_tags;

const HOSTILE: &str = "</title></style><script>alert(1)</script>\"'&|`](javascript:x)\n,\u{202e}\0";

/// The fixture with every text made hostile, and every figure replaced.
fn spoiled(text: &str, figure: Option<u64>) -> Report {
    fn spoil(value: &mut Value, text: &str, figure: Option<u64>) {
        match value {
            Value::String(it) => it.push_str(text),
            Value::Number(it) => *it = figure.map_or_else(|| it.clone(), Into::into),
            Value::Array(items) => items.iter_mut().for_each(|item| spoil(item, text, figure)),
            Value::Object(items) => {
                items.values_mut().for_each(|item| spoil(item, text, figure));
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
    let mut value = serde_json::to_value(fixture::report()).unwrap();
    spoil(&mut value, text, figure);
    let mut report: Report = serde_json::from_value(value).unwrap();
    for subject in &mut report.subjects {
        subject.sizes.insert(text.to_owned(), 1);
        let requests = subject.requests["connect"].clone();
        subject.requests.insert(text.to_owned(), requests);
        if let Some(boot) = subject.boot.get("direct").cloned() {
            subject.boot.insert(text.to_owned(), boot);
        }
        if let Some(syscalls) = &mut subject.syscalls {
            let call = syscalls.calls["close"].clone();
            syscalls.calls.insert(text.to_owned(), call);
        }
    }
    report
}

#[test]
fn a_name_stays_a_name() {
    let report = spoiled(HOSTILE, None);
    let html = report::html(&report);
    let tags = check_tags(&html);
    assert!(!tags.iter().any(|tag| tag == "script"));
    assert!(html.contains("&lt;script&gt;alert(1)"));
    assert_eq!(html.matches("</style>").count(), 1);
    assert!(!html.contains(['\0', '\u{202e}']));

    let markdown = report::markdown(&report);
    assert!(!markdown.contains("<script") && !markdown.replace("\\]", "").contains("]("));
    assert_eq!(markdown.lines().filter(|line| line.starts_with("## ")).count(), 9);
}

#[test]
fn csv_can_be_split_again() {
    let csv = report::csv(&spoiled(HOSTILE, None));
    for record in csv.split("\r\n").filter(|record| !record.is_empty()) {
        let mut fields = 1;
        let mut quoted = false;
        for c in record.chars() {
            quoted ^= c == '"';
            fields += usize::from(c == ',' && !quoted);
        }
        assert_eq!((fields, quoted), (5, false), "{record}");
    }
}

#[test]
fn figures_at_the_ends_of_their_range_are_drawn() {
    // A rate has 32 bits.
    for figure in [0, 1, u64::from(u32::MAX)] {
        let report = spoiled("", Some(figure));
        let html = report::html(&report);
        check_tags(&html);
        assert!(!html.contains("NaN") && !html.contains("inf\""), "{figure}");
        report::markdown(&report);
    }
    let mut report = fixture::report();
    for subject in &mut report.subjects {
        for boot in subject.boot.values_mut() {
            boot.instructions = u64::MAX;
        }
        for requests in subject.requests.values_mut() {
            requests.kernel = f64::MAX;
            requests.user = f64::MAX;
        }
        for point in &mut subject.ramp {
            point.reply_rate.0 = f64::INFINITY;
            point.reply_time = f64::NAN;
            point.timeouts = u64::MAX;
        }
    }
    let html = report::html(&report);
    check_tags(&html);
    assert!(!html.contains("NaN") && !html.contains("inf\""));
}
