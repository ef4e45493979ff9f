//! The binary `entente`: see `entente --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    entente_node::main_from(std::env::args_os())
}
