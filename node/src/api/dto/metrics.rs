//! Counters and distributions since the start.

use serde::{Deserialize, Serialize};

/// Counters since the start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MetricsView {
    /// Milliseconds since the start.
    pub uptime_ms: u64,
    /// Durable transactions.
    pub commits: u64,
    /// Writes in them.
    pub writes: u64,
    /// Time that a durable transaction takes.
    pub commit_us: Histogram,
    /// Inputs that the engine took in one turn.
    pub turn_inputs: Histogram,
    /// Time that the engine computes in one turn, without storage and sending.
    pub handle_us: Histogram,
    /// Epochs applied since the start.
    pub epochs: u64,
    /// Entries ordered since the start.
    pub entries: u64,
    /// Submissions taken since the start.
    pub submissions: u64,
    /// Submissions refused since the start.
    pub refused: u64,
    /// Frames received from peers.
    pub frames_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Frames handed to the mesh.
    pub frames_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Frames that the mesh did not take, because the stream was gone or full.
    pub frames_dropped: u64,
    /// Other nodes in the peer book as it was stored last since the start.
    #[serde(default)]
    pub remembered: u64,
    /// Resident memory of the process.
    pub rss_kb: u64,
    /// CPU time of the process.
    pub cpu_ms: u64,
}

/// A distribution in powers of two.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Histogram {
    /// How many values.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// The greatest.
    pub max: u64,
    /// Half of them lie at or below this; exact to within 1/8.
    pub p50: u64,
    /// 99 of 100 lie at or below this; exact to within 1/8.
    pub p99: u64,
}
