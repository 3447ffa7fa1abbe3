//! How often the server makes each call.

use std::collections::BTreeMap;

use crate::data::Requests;

/// The thesis's nine calls, each with the system calls of today that it stands for,
/// by the kernel's name of the function (arch/x86/entry/syscalls/syscall_64.tbl).
const CALLS: [(&str, &[&str]); 9] = [
    ("close", &["close"]),
    ("fcntl", &["fcntl"]),
    ("ioctl", &["ioctl"]),
    ("read", &["read", "pread64", "recvfrom"]),
    ("setsockopt", &["setsockopt"]),
    ("shutdown", &["shutdown"]),
    ("stat", &["newstat", "newlstat", "newfstatat"]),
    ("write", &["write"]),
    ("writev", &["writev"]),
];

/// The weights of the thesis's calls in a load: calls per request.
pub fn weights(load: &Requests) -> BTreeMap<String, f64> {
    let count = |name: &&str| load.calls.get(*name).map_or(0.0, |share| share.count);
    CALLS.iter().map(|(name, calls)| ((*name).into(), calls.iter().map(count).sum())).collect()
}

/// The instructions of a request in the thesis's calls, each as often as it was made and
/// at what it cost under this load.
pub fn nine_under_load(load: &Requests) -> f64 {
    let cost = |name: &&str| load.calls.get(*name).map_or(0.0, |it| it.count * it.instructions);
    CALLS.iter().flat_map(|(_, calls)| calls.iter().map(cost)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::CallShare;

    #[test]
    fn calls_of_today_have_the_thesis_s_names() {
        let share = |count| CallShare { count, ..CallShare::default() };
        let calls = [("read", share(1.0)), ("pread64", share(0.5)), ("epoll_wait", share(9.0))];
        let calls = calls.map(|(name, share)| (name.to_owned(), share)).into();
        let weights = weights(&Requests { calls, ..Requests::default() });
        assert_eq!(weights.len(), 9);
        assert_eq!((weights["read"], weights["writev"]), (1.5, 0.0));
    }

    #[test]
    fn the_nine_under_load_are_a_sum() {
        let share = |count, instructions| CallShare { count, instructions, ..CallShare::default() };
        let calls = [("read", share(2.0, 10.0)), ("writev", share(1.0, 5.0))];
        let beyond = ("epoll_wait", share(9.0, 9.0));
        let calls = calls.into_iter().chain([beyond]);
        let calls = calls.map(|(name, share)| (name.to_owned(), share)).collect();
        let load = Requests { calls, ..Requests::default() };
        assert!((nine_under_load(&load) - 25.0).abs() < 1e-9);
    }
}
