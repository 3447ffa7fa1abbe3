//! The top of a report: what was compared, what came out, and how.

use super::document::{Document, Headline};
use super::number::{Scale, grouped, times};
use super::sections::{View, capital, sections};
use crate::data::{Environment, Measured, Report};

/// Lays a report out.
pub(crate) fn outline(report: &Report) -> Document {
    let view = View::new(report);
    let headlines = headlines(&view);
    let (sections, missing) = sections(&view);
    let title = match (view.own, view.reference) {
        (Some(own), Some(reference)) => format!("{} against {}", own.name, reference.name),
        (Some(own), None) => own.name.clone(),
        (None, _) if report.has_stages() => "Step by step".to_owned(),
        (None, _) => "No measurement".to_owned(),
    };
    Document {
        title,
        lead: lead(&view, &headlines),
        headlines,
        facts: facts(&report.environment),
        command: report.environment.command.clone(),
        partial: partial(report),
        sections,
        missing,
    }
}

/// The ratios that matter most, of the reference to the own subject.
fn headlines(view: &View) -> Vec<Headline> {
    type Figure = fn(&Measured) -> Option<f64>;
    let figures: [(&'static str, Figure); 4] = [
        ("over the nine system calls", |it| it.syscalls.as_ref().map(|calls| calls.total)),
        ("in the kernel per keep-alive request", |it| {
            it.requests.get("keepalive").map(|requests| requests.kernel)
        }),
        ("in the kernel per new connection", |it| {
            it.requests.get("connect").map(|requests| requests.kernel)
        }),
        ("to the first HTTP 200", |it| it.boot.get("direct").map(|boot| boot.instructions as f64)),
    ];
    let mut headlines = Vec::new();
    for (what, of) in figures {
        let (Some(own), Some(reference)) = (view.own.and_then(of), view.reference.and_then(of))
        else {
            continue;
        };
        let (way, more, fewer) =
            if own > reference { ("more", own, reference) } else { ("fewer", reference, own) };
        let Some(ratio) = times(more, fewer) else { continue };
        let scale = Scale::for_largest(more);
        let scaled = |figure: f64| {
            let figure = figure / scale.divisor;
            grouped(figure, usize::from(figure < 100.0 && scale.divisor > 1.0))
        };
        let unit = scale.unit(view.unit());
        let figures = format!("{} instead of {} {unit}", scaled(own), scaled(reference));
        headlines.push(Headline { ratio: format!("{ratio}×"), way, what, figures });
    }
    headlines
}

/// The two sentences that say it all.
fn lead(view: &View, headlines: &[Headline]) -> String {
    let Some(own) = view.own else {
        return match view.report.has_stages() {
            true => "What each step of tailoring changes, beside the thesis.".to_owned(),
            false => "No subject was measured.".to_owned(),
        };
    };
    let own = capital(own.title.trim_end_matches('.'));
    let Some(reference) = view.reference else {
        return format!("{own} was measured. There is nothing to compare it with.");
    };
    let others = match view.report.subjects.len() - 2 {
        0 => String::new(),
        1 => ", and one more subject for orientation".to_owned(),
        others => format!(", and {others} more subjects for orientation"),
    };
    let reference = reference.title.trim_end_matches('.');
    let compared = format!("{own} is compared with {reference}{others}.");
    let ratios: Vec<String> = headlines
        .iter()
        .map(|it| format!("{} times {} {}", it.ratio.trim_end_matches('×'), it.way, it.what))
        .collect();
    match &ratios[..] {
        [] => format!("{compared} No figure was taken on both, so there is no ratio."),
        [only] => format!("{compared} In {}, it takes {only}.", view.unit()),
        [others @ .., last] => {
            format!("{compared} In {}, it takes {} and {last}.", view.unit(), others.join(", "))
        }
    }
}

/// How it was measured.
pub(super) fn facts(environment: &Environment) -> Vec<(&'static str, String)> {
    let accelerator = match environment.accelerator.as_str() {
        "tcg" => "software emulation (TCG): guest instructions, counted exactly; an instruction \
                  under rep counts once"
            .to_owned(),
        "kvm" => "KVM: processor cycles, the mean of the 30 smallest".to_owned(),
        other => other.to_owned(),
    };
    let network = match environment.network.as_str() {
        "tap" => "a tap device in a network namespace of its own".to_owned(),
        "user" => "QEMU's user network, which costs more than a real one".to_owned(),
        other => other.to_owned(),
    };
    let processors = match environment.processors {
        0 => String::new(),
        count => count.to_string(),
    };
    let facts = [
        ("Accelerator", accelerator),
        ("Network", network),
        ("QEMU", environment.qemu.clone()),
        ("Host processors", processors),
        ("Version", environment.appliance.clone()),
        ("Date", environment.date.clone()),
    ];
    facts.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// What of a report is not complete, and why.
pub(super) fn partial(report: &Report) -> Vec<String> {
    let of_subjects = report.subjects.iter().flat_map(|subject| {
        subject.partial.iter().map(|reason| format!("{}: {reason}", subject.name))
    });
    let mut partial: Vec<String> = report.partial.iter().cloned().chain(of_subjects).collect();
    if report.baseline().is_none() && report.subjects.len() > 1 {
        partial.push(format!(
            "the reference {:?} was not measured, so there are no ratios",
            report.reference
        ));
    }
    partial
}
