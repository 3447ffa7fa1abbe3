use super::*;
use crate::counts::{CallCounts, Site};

/// Two sections; `copy` is a function of two files, `alias` another name of `send`.
const MAP: &str = "\
0000000000001000 T _stext
0000000000001000 T start
0000000000001010 t copy
0000000000001030 T alias
0000000000001030 T send
0000000000001040 t copy
0000000000001048 t send.cold
0000000000001050 T __sched_text_start
0000000000001100 T _etext
0000000000002000 D data
0000000000003000 T _sinittext
0000000000003000 t setup
0000000000003008 T _einittext
not a symbol
";

fn folders() -> Folders {
    let folder = |(name, folders): (&str, &[&str])| {
        (name.to_owned(), folders.iter().map(|it| (*it).to_owned()).collect())
    };
    let folders: [(&str, &[&str]); 4] =
        [("start", &["init"]), ("copy", &["init", "net"]), ("send", &["net"]), ("setup", &["mm"])];
    folders.into_iter().map(folder).collect()
}

fn counts() -> Counts {
    let mut counts = Counts::default();
    (counts.kernel, counts.timer, counts.idle, counts.user) = (1000, 100, 100, 400);
    counts.functions = [("send".to_owned(), 600), ("copy".to_owned(), 200)].into();
    counts.executed = ["start", "send", "setup"].map(str::to_owned).into();
    counts.calls = [
        ("close".to_owned(), CallCounts { count: 4, sum: 80, min: 10, softirqs: 0 }),
        ("writev".to_owned(), CallCounts { count: 2, sum: 400, min: 190, softirqs: 8 }),
    ]
    .into();
    counts.allocations =
        vec![Site("send".into(), "kmalloc".into(), 1), Site("copy".into(), "kmalloc".into(), 6)];
    counts
}

fn profile(folders: &Folders) -> Profile {
    Profile::new(Measured { requests: 2, ..Measured::default() }, &counts(), MAP, folders)
}

#[test]
fn everything_is_per_request_and_the_dearest_first() {
    let profile = profile(&folders());
    assert_eq!((profile.kernel, profile.user), (400.0, 200.0));
    let call = &profile.calls[0];
    assert_eq!(
        (call.call.as_str(), call.count, call.each, call.least),
        ("writev", 1.0, 200.0, 190)
    );
    assert_eq!((call.share, call.instructions), (0.5, 200.0));
    assert_eq!(
        (profile.functions[0].function.as_str(), profile.functions[0].share),
        ("send", 0.75)
    );
    let part = |part: &Part| (part.part.clone().unwrap(), part.instructions);
    let parts: Vec<_> = profile.parts.iter().map(part).collect();
    assert_eq!(parts, [("net".to_owned(), 300.0), ("init".to_owned(), 100.0)]);
    assert_eq!(
        (profile.allocations[0].caller.as_str(), profile.allocations[0].count),
        ("copy", 3.0)
    );
}

#[test]
fn what_was_never_executed_stands_by_folder() {
    let never = profile(&folders()).never_executed;
    // No byte beyond a section, nor of the linker's marks.
    assert_eq!(never.all, Unused { functions: 3, of: 6, bytes: 0x30, of_bytes: 0x58 });
    let part = |part: &UnusedPart| (part.part.clone().unwrap(), part.unused.bytes);
    let parts: Vec<_> = never.parts.iter().map(part).collect();
    // The second `copy` lies behind a function of `net`.
    let expected = [("init", 0x20), ("net", 0x10), ("mm", 0)];
    assert_eq!(parts, expected.map(|(name, bytes)| (name.to_owned(), bytes)));
    assert_eq!((never.largest[0].function.as_str(), never.largest[0].bytes), ("copy", 0x20));
    let cold = never.largest.iter().find(|it| it.function == "send.cold").unwrap();
    assert_eq!(cold.part.as_deref(), Some("net"));
}

#[test]
fn without_folders_names_are_gathered_by_their_first_word() {
    let profile = profile(&Folders::new());
    assert_eq!(profile.grouping, Grouping::Prefix);
    // Of two names at an address the first one.
    assert_eq!(profile.parts[0].part.as_deref(), Some("alias_*"));
    assert!(profile.never_executed.parts.iter().all(|part| part.part.is_some()));
}

#[test]
fn an_empty_map_and_no_request_are_no_failure() {
    let profile = Profile::new(Measured::default(), &Counts::default(), "", &folders());
    assert_eq!(profile.never_executed.all, Unused::default());
    assert!(profile.kernel == 0.0 && profile.calls.is_empty());
}
