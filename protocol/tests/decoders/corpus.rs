//! The corpus that fuzzing begins with is what the samples give. `ENTENTE_WRITE=1` writes it anew.

use std::collections::BTreeMap;
use std::path::Path;

use crate::bodies::BODIES;
use crate::samples;

#[test]
#[expect(clippy::disallowed_methods, reason = "the corpus is files; the crate itself has none")]
fn the_corpus_is_what_the_samples_give() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, _) in BODIES {
        let folder = folder.join(name);
        let expected: BTreeMap<String, Vec<u8>> = samples::of(name)
            .into_iter()
            .enumerate()
            .map(|(i, bytes)| (format!("valid-{i:02}"), bytes))
            .collect();
        if std::env::var_os("ENTENTE_WRITE").is_some() {
            std::fs::create_dir_all(&folder).expect("a folder");
            for (file, bytes) in &expected {
                std::fs::write(folder.join(file), bytes).expect("written");
            }
        }
        let mut found = BTreeMap::new();
        for file in std::fs::read_dir(&folder).expect("a folder of the corpus") {
            let file = file.expect("an entry");
            let name = file.file_name().into_string().expect("a name in ASCII");
            found.insert(name, std::fs::read(file.path()).expect("readable"));
        }
        assert!(
            found == expected,
            "{name}: the corpus differs from the samples; \
             ENTENTE_WRITE=1 cargo test -p entente-protocol --test decoders corpus writes it"
        );
    }
}

#[test]
fn every_fuzz_target_has_a_corpus_and_its_place_in_the_documentation() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).expect(file);
    let (manifest, documentation) = (read("fuzz/Cargo.toml"), read("../docs/testing.md"));
    let targets = manifest.split("[[bin]]\nname = \"").skip(1).filter_map(|bin| bin.split('"').next());
    let targets: Vec<_> = targets.collect();
    for (body, _) in BODIES {
        assert!(targets.contains(&body), "no target {body}");
    }
    for target in targets {
        assert!(read(&format!("fuzz/fuzz_targets/{target}.rs")).contains(target), "{target}");
        assert!(folder.join("fuzz/corpus").join(target).is_dir(), "no corpus of {target}");
        assert!(
            documentation.contains(&format!("| `{target}` | ")),
            "docs/testing.md does not name {target}"
        );
    }
}
