//! The program `entente-testnet`.

use std::process::ExitCode;

fn main() -> ExitCode {
    entente_testnet::cli::main_from(std::env::args_os())
}
