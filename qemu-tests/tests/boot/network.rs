//! IPv4 and IPv6 over a tap, as behind a real hypervisor's switch.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use appliance::run::{self, Firmware};
use libtest_mimic::Trial;
use qemu::{Network, Tap};

use crate::http;
use crate::image::{BOOT, Image};
use crate::project::{Project, asked_in_ram};
use crate::trial::{Skipped, trial, with_guest};

/// How long a link may take after the server: e1000e looks for it every two seconds.
const LINK: Duration = Duration::from_secs(20);

pub(crate) fn trials() -> Vec<Trial> {
    let name = |project: &Project| format!("network::ipv4_and_ipv6_over_tap::{}", project.name);
    asked_in_ram().into_iter().map(|project| trial(name(project), project, tap)).collect()
}

fn tap(image: &Image) -> Result<()> {
    if let Err(error) = Tap::check() {
        return Err(Skipped(format!("no tap in a network namespace here: {error:#}")).into());
    }
    let mut machine = image.machine(Firmware::Direct)?;
    machine.network = Network::Tap(run::tap(&image.manifest)?);
    let addresses = image.addresses()?;
    ensure!(addresses.iter().any(|address| address.is_ipv6()), "the image has no IPv6 address");
    with_guest(&machine, |guest| {
        guest.wait_serving(BOOT)?;
        guest.in_its_network(|| wait_for_link(addresses[0]))??;
        // A machine that serves so soon can meet a clock that still says 0 s,
        // which lighttpd 1.4.69 took for a broken client.
        guest.in_its_network(|| http::http2(image, addresses[0]))??;
        for address in addresses {
            image.compare(guest, address)?;
            for (_, check) in http::CHECKS {
                guest.in_its_network(|| check(image, address))??;
            }
            guest.in_its_network(|| http::burst(image, address))??;
        }
        Ok(())
    })
}

fn wait_for_link(address: SocketAddr) -> Result<()> {
    let start = Instant::now();
    while let Err(error) = TcpStream::connect_timeout(&address, LINK) {
        ensure!(start.elapsed() < LINK, "{address} cannot be reached: {error}");
    }
    Ok(())
}
