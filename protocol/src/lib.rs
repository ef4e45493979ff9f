//! The coalition protocol of Entente, sans-IO and deterministic.
