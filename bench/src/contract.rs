//! The performance contract: upper limits of what is deterministic.
//!
//! `contract.toml` names each figure by where it is measured: `boot.<firmware>`,
//! `request.<load>.<kernel|user|exits>`, `syscalls.<call>`, `syscalls.total` of the
//! thesis's nine (guest instructions, except exits), `bytes.<artefact>`, and
//! `memory.smallest` in MiB. A limit that is still to be measured is the word `"unset"`.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use anyhow::Result;
use host::{nearest, refused};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::data::Measured;
use crate::report::number::{grouped, percent, short};

/// How much a figure may be above its limit, as a part of it.
pub const TOLERANCE: f64 = 0.01;

/// What stands in the place of a limit that was not measured yet.
const UNSET: &str = "unset";

/// The limits, in the order of the text.
#[derive(Clone, Debug)]
pub struct Contract {
    limits: Vec<Limit>,
}

#[derive(Clone, Debug)]
struct Limit {
    name: String,
    /// Nothing where it is [`UNSET`].
    value: Option<f64>,
    /// Where its value stands in the text.
    span: Range<usize>,
    line: usize,
}

/// A figure that is not what its limit says.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The figure: `syscalls.close`.
    pub name: String,
    /// The line of the limit in `contract.toml`.
    pub line: usize,
    /// The limit.
    pub limit: f64,
    /// What was measured.
    pub measured: f64,
}

impl Difference {
    /// On which side of the limit the figure is, by more than [`TOLERANCE`].
    fn compare(&self) -> Ordering {
        if self.measured > self.limit * (1.0 + TOLERANCE) {
            Ordering::Greater
        } else if self.measured < self.limit * (1.0 - TOLERANCE) {
            Ordering::Less
        } else {
            Ordering::Equal
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, line, limit, measured } = self;
        let change = percent(100.0 * (measured - limit) / limit);
        write!(
            f,
            "{name}: {} measured, limit {}, {change} (line {line})",
            short(*measured),
            short(*limit)
        )
    }
}

/// What a comparison with the contract found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// More than [`TOLERANCE`] above the limit: a failure.
    pub excesses: Vec<Difference>,
    /// More than [`TOLERANCE`] below: the limit can be tightened.
    pub slack: Vec<Difference>,
}

/// The contract with new figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Update {
    /// The text of `contract.toml`.
    pub text: String,
    /// The limits that got another value, with what was measured.
    pub changed: Vec<Difference>,
    /// The limits that were filled in for the first time.
    pub filled: Vec<String>,
    /// The limits that were left as they are, though the figure is above them.
    pub exceeded: Vec<Difference>,
}

impl fmt::Display for Verdict {
    /// One line for each difference, and nothing where there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.excesses {
            writeln!(f, "above the contract: {difference}")?;
        }
        for difference in &self.slack {
            writeln!(f, "below the contract: {difference}")?;
        }
        if !self.slack.is_empty() {
            writeln!(f, "`appliance bench --update-contract` can lower these limits")?;
        }
        Ok(())
    }
}

impl fmt::Display for Update {
    /// One line for each limit that was set, changed, or left though exceeded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.filled {
            writeln!(f, "set: {name}")?;
        }
        for difference in &self.changed {
            writeln!(f, "changed: {difference}")?;
        }
        for difference in &self.exceeded {
            writeln!(f, "left as it is, though exceeded: {difference}")?;
        }
        Ok(())
    }
}

impl Contract {
    /// Reads the text of a `contract.toml`.
    ///
    /// # Errors
    /// When it is not TOML, or a limit is no number above 0.
    pub fn parse(text: &str) -> Result<Self> {
        let table = DeTable::parse(text)
            .map_err(|error| refused(format!("the contract is not TOML: {error}")))?;
        let mut limits = Vec::new();
        let mut wrong = Vec::new();
        collect(text, "", table.get_ref(), &mut limits, &mut wrong);
        if !wrong.is_empty() {
            return Err(refused(wrong.join("\n"))
                .hint(format!("a limit is a number above 0, or {UNSET:?}"))
                .into());
        }
        limits.sort_by_key(|limit: &Limit| limit.span.start);
        Ok(Self { limits })
    }

    /// Takes out the limits of a table, such as `request`.
    pub fn leave_out(&mut self, table: &str) {
        let inside = |name: &str| name.strip_prefix(table).is_some_and(|it| it.starts_with('.'));
        self.limits.retain(|limit| !inside(&limit.name));
    }

    /// Each limit with what was measured for it.
    fn measured(&self, subject: &Measured) -> Result<Vec<(&Limit, f64)>> {
        let figures = figures(subject);
        let mut wrong = Vec::new();
        let mut pairs = Vec::new();
        for limit in &self.limits {
            if let Some(figure) = figures.get(&limit.name) {
                pairs.push((limit, *figure));
                continue;
            }
            let near = nearest(&limit.name, figures.keys().map(String::as_str));
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            wrong.push(format!("line {}: `{}` was not measured{near}", limit.line, limit.name));
        }
        if wrong.is_empty() {
            return Ok(pairs);
        }
        Err(refused(format!("the contract has limits without a figure\n{}", wrong.join("\n")))
            .hint("correct the name, or measure what the limit is for")
            .into())
    }
}

/// Collects the limits of a table and those below it.
fn collect(
    text: &str,
    prefix: &str,
    table: &DeTable,
    limits: &mut Vec<Limit>,
    wrong: &mut Vec<String>,
) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        if let DeValue::Table(inner) = value.get_ref() {
            collect(text, &format!("{name}."), inner, limits, wrong);
            continue;
        }
        let line = 1 + text[..value.span().start].matches('\n').count();
        match limit_value(value) {
            Some(value_or_unset) => {
                limits.push(Limit { name, value: value_or_unset, span: value.span(), line });
            }
            None => wrong.push(format!("line {line}: `{name}` is no limit")),
        }
    }
}

/// A limit, or nothing inside if it is unset; nothing at all if it is neither.
fn limit_value(value: &Spanned<DeValue>) -> Option<Option<f64>> {
    let number = match value.get_ref() {
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse::<f64>(),
        DeValue::Float(number) => number.as_str().parse::<f64>(),
        DeValue::String(word) if word == UNSET => return Some(None),
        _ => return None,
    };
    number.ok().filter(|number| number.is_finite() && *number > 0.0).map(Some)
}

/// Every figure of a subject that a limit can be set for.
fn figures(subject: &Measured) -> BTreeMap<String, f64> {
    let mut figures = BTreeMap::new();
    // A count of 0 is one that was not taken. Counts are far below 2^53.
    for (firmware, boot) in &subject.boot {
        figures.insert(format!("boot.{firmware}"), boot.instructions as f64);
    }
    for (load, it) in &subject.requests {
        for (name, figure) in [("kernel", it.kernel), ("user", it.user), ("exits", it.exits)] {
            figures.insert(format!("request.{load}.{name}"), figure);
        }
    }
    for (name, call) in subject.syscalls.iter().flat_map(|syscalls| &syscalls.calls) {
        figures.insert(format!("syscalls.{name}"), call.instructions as f64);
    }
    if let Some(syscalls) = &subject.syscalls {
        figures.insert("syscalls.total".to_owned(), syscalls.total);
    }
    for (name, bytes) in &subject.sizes {
        figures.insert(format!("bytes.{name}"), *bytes as f64);
    }
    if let Some(memory) = subject.memory {
        figures.insert("memory.smallest".to_owned(), f64::from(memory.smallest));
    }
    figures.retain(|_, figure| *figure > 0.0 && figure.is_finite());
    figures
}

/// Compares a subject with the contract.
///
/// # Errors
/// When a limit is unset, or is for something that was not measured.
pub fn check(subject: &Measured, contract: &Contract) -> Result<Verdict> {
    let pairs = contract.measured(subject)?;
    let unset: Vec<String> = pairs
        .iter()
        .filter(|(limit, _)| limit.value.is_none())
        .map(|(limit, _)| format!("line {}: `{}`", limit.line, limit.name))
        .collect();
    if !unset.is_empty() {
        return Err(refused(format!(
            "the contract has limits that are unset\n{}",
            unset.join("\n")
        ))
        .hint("fill them in with `appliance bench --update-contract`")
        .into());
    }
    let mut verdict = Verdict::default();
    for (limit, measured) in pairs {
        let Some(value) = limit.value else { continue };
        let difference = limit.difference(value, measured);
        match difference.compare() {
            Ordering::Greater => verdict.excesses.push(difference),
            Ordering::Less => verdict.slack.push(difference),
            Ordering::Equal => {}
        }
    }
    Ok(verdict)
}

/// Writes what was measured into the text of a contract, where there was no limit or
/// the figure is more than [`TOLERANCE`] below it; with `loosen`, also where it is as
/// much above. What is nearer stays, so that noise neither tightens nor loosens.
/// Comments and order stay too.
///
/// # Errors
/// When the text is no contract, or a limit is for something that was not measured.
pub fn update(subject: &Measured, text: &str, loosen: bool) -> Result<Update> {
    let contract = Contract::parse(text)?;
    let mut update = Update::default();
    let mut copied = 0;
    for (limit, measured) in contract.measured(subject)? {
        match limit.value {
            None => update.filled.push(limit.name.clone()),
            Some(value) => {
                let difference = limit.difference(value, measured);
                match difference.compare() {
                    Ordering::Equal => continue,
                    Ordering::Greater if !loosen => {
                        update.exceeded.push(difference);
                        continue;
                    }
                    _ => update.changed.push(difference),
                }
            }
        }
        update.text.push_str(&text[copied..limit.span.start]);
        update.text.push_str(&limit_text(measured));
        copied = limit.span.end;
    }
    update.text.push_str(&text[copied..]);
    Ok(update)
}

impl Limit {
    fn difference(&self, limit: f64, measured: f64) -> Difference {
        Difference { name: self.name.clone(), line: self.line, limit, measured }
    }
}

/// A figure as a limit: rounded up, so that it is not above what it was made from.
fn limit_text(figure: f64) -> String {
    if figure.fract() == 0.0 || figure >= 100.0 {
        return grouped(figure.ceil(), 0).replace(',', "_");
    }
    format!("{:.2}", (figure * 100.0).ceil() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Boot, Call, Memory, Requests, Syscalls};

    const TEXT: &str = "# why\n[syscalls]\nclose = 449 # short\nread_1 = \"unset\"\n\n\
        [request.keepalive]\nkernel = 26_500.5\nexits = 7.25\n[memory]\nsmallest = 32\n\
        [bytes]\n\"initramfs.cpio\" = 0x10\n";

    fn subject() -> Measured {
        let call = |instructions| Call { instructions, ..Call::default() };
        let calls = [("close", call(449)), ("read_1", call(1230))];
        let calls = calls.map(|(name, call)| (name.to_owned(), call)).into();
        let load = Requests { kernel: 26_200.0, exits: 7.25, ..Requests::default() };
        Measured {
            syscalls: Some(Syscalls { calls, ..Syscalls::default() }),
            requests: [("keepalive".to_owned(), load)].into(),
            boot: [("direct".to_owned(), Boot { instructions: 53_000_000, ..Boot::default() })]
                .into(),
            memory: Some(Memory { smallest: 32, used: 0 }),
            sizes: [("initramfs.cpio".to_owned(), 1_234_567)].into(),
            ..Measured::default()
        }
    }

    fn contract(close: &str) -> String {
        TEXT.replace("0x10", "1_234_567")
            .replace("\"unset\"", "1230")
            .replace("26_500.5", "26_200.5")
            .replace("= 449", close)
    }

    fn failure(text: &str) -> String {
        let result = Contract::parse(text).and_then(|contract| check(&subject(), &contract));
        format!("{:#}", result.unwrap_err())
    }

    #[test]
    fn one_per_cent_is_let_through_and_no_more() {
        let verdict = |text: &str| {
            let verdict = check(&subject(), &Contract::parse(text).unwrap()).unwrap();
            (verdict.excesses.len(), verdict.slack.len())
        };
        assert_eq!(verdict(&contract("= 449")), (0, 0));
        assert_eq!(verdict(&contract("= 445")), (0, 0));
        assert_eq!(verdict(&contract("= 444")), (1, 0));
        assert_eq!(verdict(&contract("= 453")), (0, 0));
        assert_eq!(verdict(&contract("= 454")), (0, 1));
    }

    #[test]
    fn an_excess_names_both_figures_and_the_line() {
        let verdict = check(&subject(), &Contract::parse(&contract("= 400")).unwrap()).unwrap();
        let text = verdict.to_string();
        assert_eq!(
            text,
            "above the contract: syscalls.close: 449 measured, limit 400, +12.2 % (line 3)\n"
        );
    }

    #[test]
    fn what_is_no_limit_is_named_with_its_line() {
        assert!(failure(TEXT).contains("line 12: `bytes.initramfs.cpio` is no limit"));
        for wrong in ["-1", "0", "nan", "inf", "true", "\"soon\"", "[1]"] {
            assert!(failure(&contract(&format!("= {wrong}"))).contains("line 3: `syscalls.close`"));
        }
        assert!(failure("[syscalls\n").contains("not TOML"));
        let unset = contract("= \"unset\"");
        assert!(failure(&unset).contains("unset\nline 3: `syscalls.close`"));
        let slip = contract("= 449").replace("close", "clsoe");
        let expected = "line 3: `syscalls.clsoe` was not measured; did you mean `syscalls.close`?";
        assert!(failure(&slip).contains(expected));
        assert!(failure("[kml]\nentry = 3\n").contains("line 2: `kml.entry` was not measured"));
    }

    #[test]
    fn a_table_is_left_out() {
        let names = |table: &str| {
            let mut contract = Contract::parse(&contract("= 449")).unwrap();
            contract.leave_out(table);
            contract.limits.into_iter().map(|limit| limit.name).collect::<Vec<_>>()
        };
        let rest = ["syscalls.close", "syscalls.read_1", "memory.smallest", "bytes.initramfs.cpio"];
        assert_eq!(names("request"), rest);
        assert_eq!(names("req").len(), 6);
    }

    #[test]
    fn an_update_tightens_and_keeps_the_rest() {
        let text = TEXT.replace("0x10", "1_000_000").replace("= 449", "= 1_218");
        let tightened = update(&subject(), &text, false).unwrap();
        let expected = text
            .replace("1_218", "449")
            .replace("\"unset\"", "1_230")
            .replace("26_500.5", "26_200");
        assert_eq!(tightened.text, expected);
        assert_eq!(tightened.filled, ["syscalls.read_1"]);
        let names = |list: &[Difference]| list.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&tightened.changed), ["syscalls.close", "request.keepalive.kernel"]);
        assert_eq!(names(&tightened.exceeded), ["bytes.initramfs.cpio"]);

        let loosened = update(&subject(), &text, true).unwrap();
        assert!(loosened.text.contains("1_234_567") && loosened.exceeded.is_empty());
        let verdict = check(&subject(), &Contract::parse(&loosened.text).unwrap()).unwrap();
        assert_eq!(verdict, Verdict::default());
        for near in ["= 445", "= 449", "= 453"] {
            let text = contract(near);
            assert_eq!(update(&subject(), &text, true).unwrap().text, text);
        }
    }

    #[test]
    fn the_contract_of_this_project_is_one() {
        let contract = Contract::parse(include_str!("../contract.toml")).unwrap();
        for limit in &contract.limits {
            let (group, _) = limit.name.split_once('.').unwrap();
            assert!(["boot", "request", "syscalls", "bytes", "memory"].contains(&group), "{group}");
        }
        for call in crate::report::thesis::CALLS {
            let prefix = format!("syscalls.{call}");
            assert!(contract.limits.iter().any(|limit| limit.name.starts_with(&prefix)), "{call}");
        }
    }

    #[test]
    fn the_nine_together_stay_at_a_third_of_debians() {
        let mut contract = Contract::parse(include_str!("../contract.toml")).unwrap();
        contract.limits.retain(|limit| limit.name == "syscalls.total");
        let of = |total| Measured {
            syscalls: Some(Syscalls { total, ..Syscalls::default() }),
            ..Measured::default()
        };
        let excesses = |total| check(&of(total), &contract).unwrap().excesses.len();
        let third = 18_520.0 / 3.0;
        assert_eq!((excesses(third - 500.0), excesses(third)), (0, 1));
        let lowered = update(&of(5_999.5), "[syscalls]\ntotal = 6_112\n", false).unwrap();
        assert_eq!(lowered.text, "[syscalls]\ntotal = 6_000\n");
    }

    #[test]
    fn a_limit_is_never_below_its_figure() {
        for figure in [0.001, 7.251, 12.0, 99.999, 100.1, 26_200.4, 53_000_000.0] {
            let limit: f64 = limit_text(figure).replace('_', "").parse().unwrap();
            assert!(limit >= figure && limit <= figure + 1.0, "{figure} became {limit}");
        }
    }
}
