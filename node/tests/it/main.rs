//! Tests of the node as a whole: its store, its runtime and its local API, over real files and sockets.

mod storage_corruption;
mod storage_crash;
mod storage_rows;
mod storage_sample;
