//! The files of a report.

use std::fs;

use bench::data::Report;
use bench::report::{self, quick};

use crate::fixture;

#[test]
fn a_report_is_written_and_read_back() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("new/report");
    let report = fixture::report();
    report::write(&report, &dir).unwrap();
    assert!(report::read(&dir.join("report.json")).unwrap() == report);
    assert_eq!(fs::read_to_string(dir.join("index.html")).unwrap(), report::html(&report));

    // An older report is replaced; anything else is not touched.
    report::write(&Report { partial: Vec::new(), ..report.clone() }, &dir).unwrap();
    assert!(report::read(&dir.join("report.json")).unwrap().partial.is_empty());
    fs::write(dir.join("notes.txt"), "mine").unwrap();
    let error = format!("{:#}", report::write(&report, &dir).unwrap_err());
    assert!(error.contains("\"notes.txt\""), "{error}");
    assert!(report::read(&dir.join("report.json")).unwrap().partial.is_empty());
    assert_eq!(fs::read_dir(scratch.path().join("new")).unwrap().count(), 1);
}

#[test]
fn what_is_no_report_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("report.json");
    let failure = |text: &str| {
        fs::write(&path, text).unwrap();
        format!("{:#}", report::read(&path).unwrap_err())
    };
    let other = fs::read_to_string(write_json(scratch.path())).unwrap();
    assert!(
        failure(&other.replacen("\"layout\": 1", "\"layout\": 2", 1)).contains("its layout is 2")
    );
    assert!(failure("{}").contains("it is no report: missing field `layout`"));
    assert!(failure("{\"layout\": 1}").contains("missing field `environment`"));
    assert!(failure(&other[..other.len() / 2]).contains("it is no report"));
    assert!(failure("not JSON").contains("report.json"));
}

fn write_json(dir: &std::path::Path) -> std::path::PathBuf {
    let path = dir.join("other.json");
    fs::write(&path, report::json(&fixture::report()).unwrap()).unwrap();
    path
}

#[test]
fn a_figure_that_is_no_number_is_not_written() {
    let scratch = tempfile::tempdir().unwrap();
    let mut report = fixture::report();
    report.subjects[0].syscalls.as_mut().unwrap().total = f64::NAN;
    assert!(report::write(&report, &scratch.path().join("report")).is_err());
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn csv_has_one_figure_a_line() {
    let csv = report::csv(&fixture::report());
    let mut lines = csv.split("\r\n");
    assert_eq!(lines.next(), Some("subject,group,name,unit,value"));
    assert!(csv.contains("\r\nappliance,syscalls,close,instructions,449\r\n"));
    assert!(csv.contains("\r\nstock-kernel,request keepalive,kernel,instructions,38700\r\n"));
    assert!(csv.contains("\r\nappliance,ramp 2800,client limit,calls,37\r\n"));
    assert!(lines.filter(|line| !line.is_empty()).all(|line| line.split(',').count() == 5));
}

#[test]
fn the_short_answer_has_the_baseline_where_it_was_measured() {
    let mut report = fixture::report();
    let object = quick::object(&report);
    assert_eq!(object["syscalls"]["close"], 449);
    assert_eq!(object["boot"]["direct"], 53_012_345);
    assert_eq!(object["request"]["keepalive"]["kernel"], 26_200.0);
    assert_eq!(object["request"]["connect"]["exits"], 7.5);
    assert_eq!(object["baseline"]["syscalls"]["close"], 1106);
    assert_eq!(object["baseline"]["request"]["connect"]["user"], 11_100.0);
    assert!(object["syscall_total"].as_f64() < object["baseline"]["syscall_total"].as_f64());
    report.subjects.truncate(1);
    assert!(quick::object(&report).get("baseline").is_none());
    assert_eq!(quick::object(&Report::default()), serde_json::json!({}));
}
