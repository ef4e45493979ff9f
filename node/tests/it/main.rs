//! Tests of the node as a whole: its store, its runtime, its local API and its command line, over real files and sockets.

mod cli_accession;
mod cli_authority;
mod cli_authority_live;
mod cli_evidence;
mod cli_follow;
mod cli_founding;
mod cli_handoff;
mod cli_keys;
mod cli_lease;
mod cli_live;
mod cli_named;
mod cli_operations_page;
mod cli_refusals;
mod cli_restore;
mod cli_support;
mod cli_verify;
mod cli_words;
mod runtime_alone;
mod runtime_api;
mod runtime_four;
mod runtime_refused;
mod runtime_support;
mod storage_corruption;
mod storage_crash;
mod storage_rows;
mod storage_sample;
