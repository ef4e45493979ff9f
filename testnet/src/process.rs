//! Processes of a network: started, recognised after a restart of the testnet, ended.
//!
//! Guarantees: only a process that this network started is ever signalled, because a number alone may have been given
//! to another since: start times are compared, too. A node that is tied to its testnet ends with it, even if that is
//! killed. Assumes Linux: procfs, and signals on a parent's death.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::network::Error;

/// How long a process may take to end after it was asked to, before it is killed.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked after while it ends.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// A process, by number and start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pid: u32,
    /// In clock ticks since the machine started.
    started: u64,
}

/// The fields of `/proc/PID/stat` behind the program's name.
pub(crate) fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

impl Process {
    /// This process.
    pub(crate) fn current() -> Option<Self> {
        Self::named(std::process::id())
    }

    /// The process that `child` is.
    pub(crate) fn of(child: &Child) -> Option<Self> {
        Self::named(child.id())
    }

    fn named(pid: u32) -> Option<Self> {
        let started = stat(pid)?.get(19)?.parse().ok()?;
        Some(Self { pid, started })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it still runs; one that ended and waits to be taken note of does not.
    pub(crate) fn runs(&self) -> bool {
        let ended = stat(self.pid).is_none_or(|fields| fields.first().is_none_or(|state| state == "Z"));
        !ended && Self::named(self.pid) == Some(*self)
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw).filter(|_| self.runs()) {
            // It may have ended since: then there is nothing to do.
            let _ = kill_process(pid, signal);
        }
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
        self.ended_within(END_TIMEOUT);
    }

    /// Asks it to stop.
    pub(crate) fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to stop, and kills it if it does not.
    pub(crate) fn stop(&self) {
        self.ask_to_stop();
        if !self.ended_within(END_TIMEOUT) {
            self.kill();
        }
    }

    fn ended_within(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while self.runs() {
            if Instant::now() >= until {
                return false;
            }
            std::thread::park_timeout(LOOK_INTERVAL);
        }
        true
    }
}

/// The variable that ties a node to the testnet whose number it holds.
const TIED_TO: &str = "ENTENTE_TESTNET_TIED";

/// Makes the process that `command` starts end with this one.
pub(crate) fn tie(command: &mut Command) {
    command.env(TIED_TO, std::process::id().to_string());
}

/// Keeps the promise of [`tie`], in the process that was started. Whoever starts it does so from its main thread, since
/// it is that thread's end which counts.
pub(crate) fn end_with_the_testnet() {
    let Some(parent) = std::env::var(TIED_TO).ok().and_then(|text| text.parse::<i32>().ok()) else { return };
    #[cfg(target_os = "linux")]
    {
        // Where it cannot be set, the next testnet still finds and stops this process.
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::TERM));
    }
    // It may have ended before the signal was asked for.
    if rustix::process::getppid().map(Pid::as_raw_nonzero).map(std::num::NonZero::get) != Some(parent) {
        std::process::exit(1);
    }
}

/// This program as the node's command line, working on `dir`.
pub(crate) fn node_command(dir: &Path) -> Result<Command, Error> {
    let program = std::env::current_exe().map_err(|error| Error::io("find this program", error))?;
    let mut command = Command::new(program);
    command.arg("node").arg("--dir").arg(dir).env_remove("ENTENTE_DIR").stdin(Stdio::null());
    Ok(command)
}
