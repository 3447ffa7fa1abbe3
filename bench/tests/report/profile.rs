//! A profile as a page and as files.

use std::collections::BTreeMap;
use std::fs;

use bench::profile::{
    Allocation, Call, Function, Grouping, Never, Part, Profile, Unused, UnusedFunction, UnusedPart,
};
use bench::report::profile as layout;

use crate::page::check_tags;

fn profile() -> Profile {
    let part = || Some("net/ipv4".to_owned());
    let unused = Unused { functions: 13_068, of: 18_384, bytes: 3_210_000, of_bytes: 6_500_000 };
    Profile {
        layout: bench::profile::LAYOUT,
        subject: "the appliance hello, Linux 6.12.117".to_owned(),
        load: "list".to_owned(),
        requests: 300,
        kernel: 16_580.0,
        interrupts: 6_000.5,
        user: 4_321.0,
        exits: BTreeMap::from([("port".to_owned(), 11.0)]),
        calls: vec![Call {
            call: "writev".to_owned(),
            count: 1.0,
            share: 0.456,
            instructions: 7_560.0,
            each: 7_560.0,
            least: 7_400,
        }],
        functions: vec![Function {
            function: "tcp_<b>sendmsg".to_owned(),
            part: part(),
            instructions: 812.0,
            share: 0.05,
        }],
        parts: vec![Part { part: part(), instructions: 4_000.0, share: 0.25 }],
        allocations: vec![Allocation {
            caller: "__alloc_skb".to_owned(),
            calls: "kmem_cache_alloc_node".to_owned(),
            count: 2.0,
        }],
        never_executed: Never {
            all: unused,
            parts: vec![UnusedPart { part: None, unused }],
            largest: vec![UnusedFunction {
                function: "vsnprintf".to_owned(),
                part: part(),
                bytes: 2_345,
            }],
        },
        ..Profile::default()
    }
}

#[test]
fn the_page_and_the_text_say_where_a_request_goes() {
    let html = layout::page(&profile());
    let tags = check_tags(&html);
    assert_eq!(tags.iter().filter(|tag| *tag == "section").count(), 5);
    assert_eq!(tags.iter().filter(|tag| *tag == "svg").count(), 4);
    assert!(!html.contains("http://") && !html.contains("<script"));
    assert!(html.contains("tcp_&lt;b&gt;sendmsg") && !html.contains("<b>"));
    for text in [html, layout::text(&profile())] {
        for part in [
            "One request of the list to the appliance hello, Linux 6.12.117 takes 16,580",
            "Of 18,384 functions",
            "3,210,000 of 6,500,000 bytes",
            "writev",
            "45.6",
            "7,400",
            "net/ipv4",
            "2,345",
            "port 11",
            "By folder of the source",
        ] {
            assert!(text.contains(part), "{part:?} is missing in {text}");
        }
        assert!(!text.contains("Not complete"));
    }
    let prefix = Profile { grouping: Grouping::Prefix, ..profile() };
    assert!(layout::text(&prefix).contains("Not complete: no compiled source"));
}

#[test]
fn a_profile_without_figures_is_a_page_too() {
    let html = layout::page(&Profile::default());
    check_tags(&html);
    assert!(!html.contains("NaN") && html.contains("The kernel allocated no memory"));
}

#[test]
fn a_profile_is_written_as_a_page_or_as_a_directory() {
    let scratch = tempfile::tempdir().unwrap();
    let page = scratch.path().join("new/profile.html");
    layout::write(&profile(), &page).unwrap();
    assert_eq!(fs::read_to_string(&page).unwrap(), layout::page(&profile()));
    let dir = scratch.path().join("profile");
    layout::write(&profile(), &dir).unwrap();
    layout::write(&profile(), &dir).unwrap();
    let text = fs::read_to_string(dir.join("profile.json")).unwrap();
    assert!(serde_json::from_str::<Profile>(&text).unwrap() == profile());
    // The directory of a profile is not replaced by the report of a bench.
    let report = crate::fixture::report();
    assert!(bench::report::write(&report, &dir).is_err());
    // Nor is a directory with anything else by a profile.
    assert!(layout::write(&profile(), scratch.path()).is_err());
}
