//! The coalition's state machine alone: what applying ordered records costs as operations and history grow.
//!
//! Method. One thread. Records are signed and verified before and verification is reported apart; then they are applied in
//! batches, with the state root computed after each, as every seat does at the end of an epoch. All operations stay open.
//! CPU is that of this process. Memory is what the process has resident, the records that are prepared left out as far as
//! the allocator gives back.

use std::time::Duration;

use entente_protocol::coalition::{ApplyContext, Disposition, State};
use entente_protocol::feed::{FeedKey, Lane};
use entente_protocol::identity::{Hash, RecordId};
use entente_protocol::record::{Act, Attest, Nonce, Open, Record, Role, Stance, Verified};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::network::Error;
use crate::say::say;
use crate::sim::members::{Member, START, found};

/// Partners: one leads, five support, one observes; three of the five are needed, so two leave an operation open.
const PARTNERS: usize = 7;
/// Live operations at which is measured.
const LIVE: [usize; 4] = [1_000, 10_000, 30_000, 100_000];
/// Records of a batch.
const BATCH: usize = 1_000;
/// Operations of the last stretch before each size: those are measured.
const STRETCH: usize = 1_000;

/// What it costs at one size.
#[derive(Debug, Serialize)]
struct Case {
    /// Live operations.
    live: usize,
    /// Records applied before the measured ones.
    history: usize,
    /// Openings applied per second of CPU, roots included.
    openings_per_s: f64,
    /// Attestations applied per second of CPU, roots included.
    attestations_per_s: f64,
    /// CPU of one signature check, in microseconds.
    verify_us: f64,
    /// Resident memory of the process, in MiB.
    resident_mib: f64,
}

/// Runs the benchmark.
pub(crate) fn coalition(json: bool) -> Result<(), Error> {
    let (founded, members) = found(PARTNERS, 0);
    let mut state = State::genesis(&founded);
    state.advance(START);
    let mut bench = Bench { coalition: founded.coalition(), members, state, index: 0 };
    let (mut cases, mut operations) = (Vec::new(), 0);
    for live in LIVE {
        while operations + STRETCH < live {
            bench.stretch(operations)?;
            operations += STRETCH;
        }
        let history = bench.index as usize;
        let spent = bench.stretch(operations)?;
        operations += STRETCH;
        let case = Case {
            live,
            history,
            openings_per_s: STRETCH as f64 / spent.openings.as_secs_f64(),
            attestations_per_s: 2.0 * STRETCH as f64 / spent.attestations.as_secs_f64(),
            verify_us: spent.verifying.as_secs_f64() * 1e6 / (3 * STRETCH) as f64,
            resident_mib: resident_mib(),
        };
        if !json {
            print(&case);
        }
        cases.push(case);
    }
    if json {
        say(&serde_json::to_string(&cases).expect("plain numbers"));
    }
    Ok(())
}

fn print(case: &Case) {
    say(&format!(
        "{:6} live operations after {:6} records: {:7.0} openings/s, {:7.0} attestations/s, {:.1} µs to verify one, {:.0} MiB resident",
        case.live,
        case.history,
        case.openings_per_s,
        case.attestations_per_s,
        case.verify_us,
        case.resident_mib
    ));
}

/// CPU of one stretch, by what it was spent on.
#[derive(Default)]
struct Spent {
    verifying: Duration,
    openings: Duration,
    attestations: Duration,
}

struct Bench {
    coalition: entente_protocol::identity::CoalitionId,
    members: Vec<Member>,
    state: State,
    index: u64,
}

impl Bench {
    /// Opens operations and attests twice to each.
    fn stretch(&mut self, from: usize) -> Result<Spent, Error> {
        let mut spent = Spent::default();
        let opened: Vec<Record> = (from..from + STRETCH).map(|at| self.opening(at)).collect();
        let ids: Vec<RecordId> = opened.iter().map(Record::id).collect();
        spent.openings = self.apply(opened, |at| at % 4, &mut spent.verifying)?;
        for partner in [1, 2] {
            let said = ids.iter().map(|id| self.attestation(*id, partner)).collect();
            spent.attestations += self.apply(said, |_| partner, &mut spent.verifying)?;
        }
        Ok(spent)
    }

    fn record(&self, partner: usize, nonce: Nonce, act: Act) -> Record {
        Record { coalition: self.coalition, nonce, signer: self.members[partner].officer.public(), act }
    }

    fn opening(&self, at: usize) -> Record {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&(at as u64).to_le_bytes());
        let open = Open {
            kind: "airlift".into(),
            title: format!("Corridor {at}"),
            body: Default::default(),
            precedence: None,
        };
        self.record(at % 4, Nonce(nonce), Act::Open(open))
    }

    fn attestation(&self, operation: RecordId, partner: usize) -> Record {
        let attest = Attest {
            operation,
            role: Role::Supporting,
            stance: Stance::Endorse,
            caveat: None,
            evidence: vec![],
            supersedes: None,
        };
        self.record(partner, Nonce([0; 16]), Act::Attest(attest))
    }

    /// Signs and verifies the records, then applies them; returns the CPU of applying.
    fn apply(
        &mut self,
        records: Vec<Record>,
        by: impl Fn(usize) -> usize,
        verifying: &mut Duration,
    ) -> Result<Duration, Error> {
        let signed: Vec<_> = records
            .into_iter()
            .enumerate()
            .map(|(at, record)| record.sign(&self.members[by(at)].officer))
            .collect();
        let begun = cpu();
        let verified: Option<Vec<Verified>> = signed.into_iter().map(Verified::new).collect();
        *verifying += cpu() - begun;
        let Some(verified) = verified else {
            return Err(Error::input(
                "a signature does not hold",
                "report this: it is a fault of this program",
            ));
        };
        let feed = FeedKey { node: self.members[0].node.public(), lane: Lane::Routine, incarnation: 0 };
        let begun = cpu();
        for batch in verified.chunks(BATCH) {
            for record in batch {
                let context = ApplyContext {
                    index: self.index,
                    epoch: 1,
                    time: START,
                    feed,
                    length: self.index + 1,
                    hash: Hash::default(),
                };
                let applied = self.state.apply_verified(&context, record);
                if applied.disposition != Disposition::Applied {
                    let what = format!("record {} was not applied: {}", self.index, applied.disposition);
                    return Err(Error::input(what, "report this: it is a fault of this program"));
                }
                self.index += 1;
            }
            std::hint::black_box(self.state.root());
        }
        Ok(cpu() - begun)
    }
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// From `/proc/self/status`; 0 where there is none.
fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
