use super::*;

fn told(call: Call, times: &[(u64, u64)]) -> Told {
    Told { call, times: Ok(times.to_vec()) }
}

fn window(call: Call, counts: &[(u64, u64)], rep_bytes: u64) -> (u16, Window) {
    let histogram = counts.iter().copied().collect();
    (call.window(), Window { rep_bytes, histogram, ..Window::default() })
}

#[test]
fn the_cost_is_the_mean_of_the_thirty_smallest_without_the_clocks_own() {
    let told = [
        told(Call::Empty, &[(10, 190), (14, 10)]),
        told(Call::Close, &[(450, 10), (460, 5), (470, 100), (9000, 85)]),
        Told { call: Call::Sendfile, times: Err(38) },
    ];
    let windows =
        [window(Call::Empty, &[(1, 200)], 0), window(Call::Close, &[(433, 29), (463, 100)], 8)];
    let costs = merge(&told, &windows.into(), &[("close".to_owned(), 2.0)].into());
    let close = &costs.syscalls.calls["close"];
    // (10 x 440 + 5 x 450 + 15 x 460) / 30, and (29 x 432 + 462) / 30.
    assert!((close.clock - 451.667).abs() < 0.001, "{}", close.clock);
    assert_eq!((close.instructions, close.rep_bytes), (433, 8));
    assert_eq!(close.histogram[0], (440, 10));
    assert!((costs.syscalls.total - 866.0).abs() < 1e-9);
    assert_eq!(costs.syscalls.calls.len(), 1);
    assert_eq!(costs.refused, ["sendfile: refused by the kernel (errno 38)"]);
}

#[test]
fn the_total_takes_a_read_half_from_each_size() {
    let told = [
        told(Call::Read1, &[(100, 200)]),
        told(Call::Read4096, &[(300, 200)]),
        told(Call::Open, &[(7000, 200)]),
    ];
    let weights = [("read".to_owned(), 3.0), ("open".to_owned(), 1.0)].into();
    let costs = merge(&told, &BTreeMap::new(), &weights);
    // Without the plugin the clock stands for the count; open is none of the nine.
    assert!((costs.syscalls.total - 600.0).abs() < 1e-9);
}

#[test]
fn there_is_no_total_without_a_call_that_has_a_weight() {
    let told = [told(Call::Close, &[(100, 200)]), Told { call: Call::Stat, times: Err(38) }];
    let weights = [("close".to_owned(), 1.0), ("stat".to_owned(), 1.0)].into();
    assert!(merge(&told, &BTreeMap::new(), &weights).syscalls.total.abs() < 1e-9);
}
