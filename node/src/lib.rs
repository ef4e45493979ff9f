//! The node: storage, runtime, local API and command line.
