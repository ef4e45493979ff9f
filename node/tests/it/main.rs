//! Tests of the node as a whole: its store, its runtime and its local API, over real files and sockets.

mod runtime_alone;
mod runtime_api;
mod runtime_four;
mod runtime_support;
mod storage_corruption;
mod storage_crash;
mod storage_rows;
mod storage_sample;
