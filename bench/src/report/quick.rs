//! The short answer: `appliance bench --quick --json`.

use serde_json::{Map, Value, json};

use super::outline::partial;
use crate::data::{Measured, Report, Requests};

/// The figures of the first subject, and under `baseline` the same of the reference
/// where it was measured. All are guest instructions, except exits; what was not
/// measured is left out, and `partial` says why. `softirqs` is what ran inside a call,
/// beside its own.
pub fn object(report: &Report) -> Value {
    let Some(own) = report.own() else { return json!({}) };
    let mut object = subject(own);
    if let Some(reference) = report.baseline() {
        object.insert("baseline".to_owned(), subject(reference).into());
    }
    let partial = partial(report);
    if !partial.is_empty() {
        object.insert("partial".to_owned(), partial.into());
    }
    object.into()
}

fn subject(subject: &Measured) -> Map<String, Value> {
    let mut object = Map::new();
    if let Some(syscalls) = &subject.syscalls {
        let counted = syscalls.calls.iter().filter(|(_, call)| call.instructions > 0);
        let calls: Map<String, Value> =
            counted.map(|(name, call)| (name.clone(), call.instructions.into())).collect();
        object.insert("syscalls".to_owned(), calls.into());
        let inside = syscalls.calls.iter().filter(|(_, call)| call.softirqs > 0);
        let inside: Map<String, Value> =
            inside.map(|(name, call)| (name.clone(), call.softirqs.into())).collect();
        object.insert("softirqs".to_owned(), inside.into());
        object.insert("syscall_total".to_owned(), figure(syscalls.total));
    }
    let boot: Map<String, Value> = subject
        .boot
        .iter()
        .filter(|(_, boot)| boot.instructions > 0)
        .map(|(firmware, boot)| (firmware.clone(), boot.instructions.into()))
        .collect();
    if !boot.is_empty() {
        object.insert("boot".to_owned(), boot.into());
    }
    let counted = subject.requests.iter().filter(|(_, it)| it.kernel > 0.0);
    let requests: Map<String, Value> =
        counted.map(|(load, it)| (load.clone(), request(it))).collect();
    if !requests.is_empty() {
        object.insert("request".to_owned(), requests.into());
    }
    object
}

fn request(it: &Requests) -> Value {
    json!({"kernel": figure(it.kernel), "user": figure(it.user), "exits": figure(it.exits)})
}

/// A mean per request, in hundredths.
fn figure(value: f64) -> Value {
    ((value * 100.0).round() / 100.0).into()
}
