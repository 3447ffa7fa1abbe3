//! One side of a step: built, started, measured.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use bench::data::{CallShare, Cost, Requests};
use bench::loads::Link;
use bench::measure::{self, Load, REQUESTS, weights};
use bench::{Subject, Tools, syscalls};
use host::Interrupted;
use kernel::Tailor;
use qemu::{Chipset, DiskBus, Nic, Start};

use super::super::baseline::Baselines;
use super::super::subjects;
use crate::build::{self, Request};
use crate::cli::Baseline;
use crate::disk::Format;
use crate::home;
use crate::plan::{Plan, Variation};
use crate::progress::Progress;
use crate::sources::FetchOptions;
use crate::spec::Project;
use crate::target::Target;
use crate::variant::Variant;

/// The loads that are counted on every side.
const LOADS: [Load; 2] = [Load::Keepalive, Load::Connect];

/// One side of a step.
#[derive(Clone, Debug)]
pub(super) struct Side {
    /// The name under which it is built and measured once.
    pub name: String,
    pub what: What,
}

/// What a side is.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// The project with another kernel.
    Kernel(Kernel),
    /// The same on other devices; its calls, which reach none, are not measured.
    Devices(Kernel, Devices),
    /// The project's variant `kml`; whether its kernel is told to run the server in ring
    /// 0. Calls are counted under load only: what measures them alone is not trusted, and
    /// would run in ring 3.
    Kml { ring_0: bool },
    /// A Debian.
    Debian(Baseline),
}

/// A kernel that differs from the project's own.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// What is left out of it.
    pub tailor: Tailor,
    /// How the server runs on it.
    pub variant: Variant,
    pub variation: Variation,
}

impl Kernel {
    /// The appliance's configuration and nothing else.
    pub(super) fn plain() -> Self {
        Self {
            tailor: Tailor::CONFIGURATION,
            variant: Variant::Default,
            variation: Variation::default(),
        }
    }
}

/// The devices of a machine, on the chipset that has all of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Devices {
    pub disk: DiskBus,
    pub nic: Nic,
}

/// The bench at which every side is measured.
pub(super) struct Bench<'a> {
    pub project: Project,
    pub tools: Tools,
    pub link: Link,
    pub progress: &'a Progress,
    pub scratch: tempfile::TempDir,
    measured: RefCell<BTreeMap<String, Result<Cost, String>>>,
    weights: OnceCell<BTreeMap<String, f64>>,
    release: OnceCell<String>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        project: Project,
        tools: Tools,
        link: Link,
        progress: &'a Progress,
    ) -> Result<Self> {
        Ok(Self {
            project,
            tools,
            link,
            progress,
            scratch: tempfile::tempdir().context("making a directory")?,
            measured: RefCell::default(),
            weights: OnceCell::new(),
            release: OnceCell::new(),
        })
    }

    /// The release of the kernel that is varied, once one was built.
    pub(super) fn release(&self) -> String {
        self.release.get().cloned().unwrap_or_default()
    }

    /// What a side costs; it is measured once.
    ///
    /// # Errors
    /// When it cannot be built, does not come up, or answers wrongly; the same error
    /// for each step that has it.
    pub(super) fn cost(&self, side: &Side) -> Result<Cost> {
        let known = self.measured.borrow().get(&side.name).cloned();
        let cost = match known {
            Some(cost) => cost,
            None => match self.measure(side) {
                Err(error) if error.is::<Interrupted>() => return Err(error),
                result => result.map_err(|error| format!("{error:#}")),
            },
        };
        self.measured.borrow_mut().insert(side.name.clone(), cost.clone());
        cost.map_err(|why| anyhow!("{}: {why}", side.name))
    }

    fn measure(&self, side: &Side) -> Result<Cost> {
        match &side.what {
            What::Kernel(kernel) => {
                let out = self.build(&side.name, &self.project, kernel)?;
                let from = self.baselines(&out)?;
                self.calls_and_loads(&side.name, &from.appliance()?)
            }
            What::Devices(kernel, Devices { disk, nic }) => {
                let out = self.build("devices", &self.project, kernel)?;
                let from = self.baselines(&out)?;
                let mut subject = from.appliance()?;
                subject.machine.chipset = Chipset::Pc;
                subject.machine.nic = *nic;
                if let Some(it) = &mut subject.machine.disk {
                    it.bus = *disk;
                }
                let loads = self.loads(&side.name, &subject)?;
                Ok(cost(&side.name, &subject, &loads))
            }
            What::Kml { ring_0 } => {
                let kernel = Kernel { variant: Variant::Kml, ..Kernel::plain() };
                let out = self.build("kml", &self.project, &kernel)?;
                let from = self.baselines(&out)?;
                let mut subject = from.appliance()?;
                if let (false, Start::Kernel(kernel)) = (*ring_0, &mut subject.machine.start) {
                    kernel.command_line = Variant::Kml.unasked(&kernel.command_line);
                }
                self.in_a_ring(&side.name, &subject, if *ring_0 { 0 } else { 3 })
            }
            What::Debian(baseline) => {
                let out = self.build_plain()?;
                let from = self.baselines(&out)?;
                let subject = subjects::prepare(&from, *baseline)?;
                let subject = subject.map_err(|why| anyhow!("it cannot be had: {why}"))?;
                if !subject.is_whole_machine() {
                    return self.calls_and_loads(&side.name, &subject);
                }
                self.under_load(&side.name, &subject)
            }
        }
    }

    /// The nine calls as they are made under load, where they cannot be measured alone.
    fn under_load(&self, name: &str, subject: &Subject) -> Result<Cost> {
        let loads = self.loads(name, subject)?;
        let mut cost = cost(name, subject, &loads);
        let connect = loads.get(Load::Connect.name());
        cost.total = connect.map_or(0.0, measure::nine_under_load);
        Ok(cost)
    }

    /// The same with each call that is made for a connection, and with what a change of the
    /// ring costs beyond the kernel: instructions of the server, and time.
    fn in_a_ring(&self, name: &str, subject: &Subject, ring: u8) -> Result<Cost> {
        let loads = self.loads(name, subject)?;
        let mut cost = cost(name, subject, &loads);
        if let Some(connect) = loads.get(Load::Connect.name()) {
            cost.total = measure::nine_under_load(connect);
            let each = |(name, call): (&String, &CallShare)| (name.clone(), call.instructions);
            cost.calls = connect.calls.iter().map(each).collect();
        }
        for (load, requests) in &loads {
            let mut tell =
                |what: &str, value| cost.figures.insert(format!("{load}: {what}"), value);
            tell("instructions of the server per request", requests.user);
            if requests.per_second > 0.0 {
                tell("microseconds per request", 1e6 / requests.per_second);
            }
        }
        let times = self.tell(&format!("{name}: times of system calls"), || {
            syscalls::take_times(subject, &self.tools, self.scratch.path())
        })?;
        ensure!(times.ring == ring, "its calls come from ring {}", times.ring);
        let ticks = |(call, ticks)| (format!("{call}, by the clock: ticks"), ticks);
        cost.figures.extend(times.ticks.into_iter().map(ticks));
        Ok(cost)
    }

    /// Builds the project with the appliance's configuration and nothing else.
    pub(super) fn build_plain(&self) -> Result<PathBuf> {
        self.build("configuration", &self.project, &Kernel::plain())
    }

    /// Builds a project with another kernel, below the scratch directory.
    pub(super) fn build(&self, name: &str, project: &Project, kernel: &Kernel) -> Result<PathBuf> {
        let mut plan = Plan::new(project, Target::Kvm, kernel.variant)?;
        plan.kernel.needs.tailor = kernel.tailor;
        plan.kernel.variation = kernel.variation.clone();
        let out = self.scratch.path().join(name);
        let request = Request {
            project: project.file.clone(),
            target: Target::Kvm,
            variant: kernel.variant,
            out: Some(out.clone()),
            formats: vec![Format::Qcow2],
            signing: None,
            fetch: FetchOptions::default(),
            cache: home::cache(),
        };
        let built = build::carry_out(&request, &plan, self.progress)?;
        let _ = self.release.set(built.manifest.kernel);
        Ok(out)
    }

    /// The way to the subjects of a build.
    pub(super) fn baselines(&self, out: &Path) -> Result<Baselines<'_>> {
        Baselines::new(out, &self.tools.load_modules, false, self.progress)
    }

    fn calls_and_loads(&self, name: &str, subject: &Subject) -> Result<Cost> {
        let loads = self.loads(name, subject)?;
        let mut cost = cost(name, subject, &loads);
        let weights = self.weights(name, &loads)?;
        let calls = self.tell(&format!("{name}: system calls"), || {
            syscalls::measure(subject, &self.tools, weights, self.scratch.path())
        })?;
        let calls = calls.syscalls;
        cost.total = calls.total;
        let price = |call: &bench::data::Call| match call.instructions {
            0 => call.clock,
            #[expect(clippy::cast_precision_loss, reason = "no call has 2^53 instructions")]
            instructions => instructions as f64,
        };
        cost.calls = calls.calls.iter().map(|(name, call)| (name.clone(), price(call))).collect();
        Ok(cost)
    }

    fn loads(&self, name: &str, subject: &Subject) -> Result<BTreeMap<String, Requests>> {
        let mut loads = BTreeMap::new();
        for load in LOADS {
            let what = format!("{name}: {REQUESTS} requests by {}", load.name());
            let counted = self.tell(&what, || self.count(subject, load))?;
            loads.insert(load.name().to_owned(), counted);
        }
        Ok(loads)
    }

    /// How often the server makes each call for a connection on the stock kernel: the
    /// same weights for every side. Where that kernel cannot be had, on the first side.
    fn weights(
        &self,
        name: &str,
        loads: &BTreeMap<String, Requests>,
    ) -> Result<&BTreeMap<String, f64>> {
        let of = |loads: &BTreeMap<String, Requests>| {
            loads.get(Load::Connect.name()).map(weights).unwrap_or_default()
        };
        if let Some(weights) = self.weights.get() {
            return Ok(weights);
        }
        let found = if name == subjects::REFERENCE {
            of(loads)
        } else {
            match self.stock_weights() {
                Ok(weights) => weights,
                Err(error) if error.is::<Interrupted>() => return Err(error),
                Err(error) => {
                    self.progress.notice(&format!("the weights are those of {name}: {error:#}"));
                    of(loads)
                }
            }
        };
        Ok(self.weights.get_or_init(|| found))
    }

    fn stock_weights(&self) -> Result<BTreeMap<String, f64>> {
        let out = self.build_plain()?;
        let from = self.baselines(&out)?;
        let subject = subjects::prepare(&from, Baseline::StockKernel)?;
        let subject = subject.map_err(|why| anyhow!("the stock kernel cannot be had: {why}"))?;
        let what = "count the calls on the stock kernel";
        Ok(weights(&self.tell(what, || self.count(&subject, Load::Connect))?))
    }

    fn count(&self, subject: &Subject, load: Load) -> Result<Requests> {
        Ok(measure::requests(subject, &self.tools, &self.link, load, REQUESTS)?.requests)
    }

    /// Does something and tells the user how long it took.
    fn tell<T>(&self, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let line = self.progress.begin(what);
        let done = work()?;
        line.done();
        Ok(done)
    }
}

/// What is known of a side without its calls.
fn cost(name: &str, subject: &Subject, loads: &BTreeMap<String, Requests>) -> Cost {
    let of = |value: fn(&Requests) -> f64| -> BTreeMap<String, f64> {
        loads.iter().map(|(load, requests)| (load.clone(), value(requests))).collect()
    };
    #[expect(clippy::cast_precision_loss, reason = "no file has 2^53 bytes")]
    let figure = |(name, figure): (&String, &u64)| (name.clone(), *figure as f64);
    let mut figures: BTreeMap<String, f64> = subject.figures.iter().map(figure).collect();
    // What a package with the kernel takes, or the kernel itself where there is none.
    let image = ["packages", "package", "vmlinuz"].iter().find_map(|it| subject.sizes.get(*it));
    figures.extend(image.map(|bytes| figure((&"image_bytes".to_owned(), bytes))));
    Cost {
        side: name.into(),
        kernel: of(|it| it.kernel),
        exits: of(|it| it.exits),
        figures,
        ..Cost::default()
    }
}
