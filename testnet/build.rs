//! Builds in every scenario of `scenarios`, by file name: whoever adds one touches no code.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("scenarios");
    println!("cargo::rerun-if-changed={}", folder.display());
    let entries = std::fs::read_dir(&folder).expect("the folder of scenarios").flatten();
    let mut files = entries.map(|entry| entry.path()).collect::<Vec<_>>();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a name in plain text");
        writeln!(list, "    ({name:?}, include_str!({:?})),", file.display().to_string()).expect("memory");
    }
    list += "]\n";
    let out = std::env::var("OUT_DIR").expect("set by cargo");
    std::fs::write(Path::new(&out).join("scenarios.rs"), list).expect("the build's own folder");
}
