//! Local networks of real processes: demo, faults, benchmarks.
