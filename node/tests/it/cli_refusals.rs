//! Bad input that the command line answers for: one test per row of the table in `docs/operations.md`.

use entente_protocol::time::Time;

use crate::cli_support::{DAY_MS, Hosts, entente, now, run, set_mode};

#[test]
fn wrong_usage_exits_with_2() {
    let hosts = Hosts::init(&["norden"]);
    for args in
        [&["nonsense"][..], &["op", "open"], &["op", "attest", "op-abc"], &["note", "x", "--timeout", "30"]]
    {
        let help = match args {
            ["nonsense"] => "next: entente --help".to_owned(),
            ["op", command, ..] => format!("next: entente op {command} --help"),
            _ => "next: entente note --help".to_owned(),
        };
        run(&hosts.dir("norden"), args).refused(2, &[&help]);
        let json = run(&hosts.dir("norden"), &[args, &["--json"]].concat());
        let error: serde_json::Value = serde_json::from_str(&json.err).expect("JSON");
        assert_eq!((json.code, &error["code"]), (2, &"usage".into()), "{}", json.err);
    }
}

#[test]
fn an_expired_credential_cannot_join_and_an_expired_member_cannot_go_on() {
    let hosts = Hosts::init(&["norden"]);
    let before = |days| Time(now().0 - days * DAY_MS);
    let charter = hosts.charter(before(2), before(1));
    let file = hosts.founded(&charter, &["norden"], "old.coalition.toml");
    let dir = hosts.dir("norden");
    run(&dir, &["join".as_ref(), file.as_os_str()])
        .refused(3, &["credentials of norden have expired", "valid until"]);
    std::fs::copy(&file, dir.join("coalition.toml")).expect("copied");
    run(&dir, &["config", "check"]).refused(3, &["credentials of norden have expired"]);
    run(&dir, &["up"]).refused(3, &["credentials of norden have expired"]);
}

#[test]
fn a_wrong_credential_is_refused() {
    let hosts = Hosts::init(&["norden", "sudria"]);
    let file = hosts.join_all();
    // Another seat key than the charter gives to this partner.
    let dir = hosts.dir("norden");
    std::fs::copy(hosts.dir("sudria").join("keys/seat.key"), dir.join("keys/seat.key")).expect("copied");
    run(&dir, &["config", "check"]).refused(3, &["seat key here is not that of norden"]);
    run(&dir, &["join".as_ref(), file.as_os_str()]).refused(3, &["seat key here is not that of norden"]);
    // An officer of nobody.
    let stranger = Hosts::init(&["stranger"]);
    let key = stranger.dir("stranger").join("keys/officer.key").display().to_string();
    run(&dir, &["--as", &key, "op", "open", "--type", "airlift", "--title", "x"])
        .refused(6, &["may not speak for any partner"]);
}

#[test]
fn a_foreign_charter_is_refused() {
    let hosts = Hosts::init(&["norden", "sudria"]);
    let file = hosts.join_all();
    let stranger = Hosts::init(&["stranger"]);
    let said = run(&stranger.dir("stranger"), &["join".as_ref(), file.as_os_str()]);
    said.refused(3, &["not a member of corridor", "norden, sudria"]);
    let dir = stranger.dir("stranger");
    assert!(!dir.join("coalition.toml").exists());
    std::fs::copy(&file, dir.join("coalition.toml")).expect("copied");
    run(&dir, &["up"]).refused(3, &["not a member of corridor", "norden, sudria"]);
    assert!(!dir.join("store.redb").exists());
}

#[test]
fn an_incompletely_signed_charter_is_refused() {
    let hosts = Hosts::init(&["norden", "sudria", "estmark"]);
    let charter = hosts.charter(now(), now().plus(DAY_MS));
    let file = hosts.founded(&charter, &["norden", "estmark"], "partly.coalition.toml");
    let dir = hosts.dir("norden");
    run(&dir, &["join".as_ref(), file.as_os_str()]).refused(3, &["not signed by sudria"]);
    std::fs::copy(&file, dir.join("coalition.toml")).expect("copied");
    run(&dir, &["up"]).refused(3, &["not signed by sudria"]);
}

#[test]
fn an_altered_signature_is_refused() {
    let hosts = Hosts::init(&["norden", "sudria"]);
    let file = hosts.join_all();
    let text = std::fs::read_to_string(&file).expect("text");
    std::fs::write(&file, text.replacen("name = \"corridor\"", "name = \"corridors\"", 1)).expect("written");
    let said = run(&hosts.dir("norden"), &["join".as_ref(), file.as_os_str()]);
    said.refused(3, &["not a coalition that every partner signed"]);
}

#[test]
fn a_file_with_the_secret_that_others_can_read_is_refused() {
    let hosts = Hosts::init(&["norden"]);
    let charter = hosts.charter(now(), now().plus(DAY_MS));
    let file = hosts.founded(&charter, &["norden"], "open.coalition.toml");
    set_mode(&file, 0o644);
    run(&hosts.dir("norden"), &["join".as_ref(), file.as_os_str()])
        .refused(3, &["can be read by others", "chmod 600"]);
}

#[test]
fn an_undeclared_operation_type_is_denied() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    run(&hosts.dir("norden"), &["op", "open", "--type", "invasion", "--title", "x"])
        .refused(6, &["\"invasion\" is no operation type", "airlift, closure"]);
}

#[test]
fn a_readable_key_file_stops_everything_that_needs_it() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    let charter = hosts.file("unsigned.toml").display().to_string();
    let file = dir.join("coalition.toml").display().to_string();
    std::fs::write(&charter, hosts.charter(now(), now().plus(DAY_MS)).to_toml()).expect("written");
    let open = ["op", "open", "--type", "airlift", "--title", "x"];
    let (check, up, join, sign) =
        (["config", "check"], ["up"], ["join", &file], ["charter", "sign", &charter]);
    let needed: [(&str, &[&[&str]]); 4] = [
        ("node", &[&check, &up, &join]),
        ("seat", &[&check, &up, &join]),
        ("officer", &[&check, &open]),
        ("root", &[&check, &sign]),
    ];
    for (name, commands) in needed {
        let key = dir.join(format!("keys/{name}.key"));
        set_mode(&key, 0o644);
        for args in commands {
            run(&dir, args).refused(3, &[&format!("{name}.key can be read by others"), "chmod 600"]);
        }
        set_mode(&key, 0o600);
    }
    let signatures = std::fs::read_dir(hosts.file("")).expect("a folder").filter_map(Result::ok);
    assert!(!signatures.into_iter().any(|file| file.path().to_string_lossy().ends_with(".sig.toml")));
    set_mode(&dir.join("keys"), 0o755);
    run(&dir, &["up"]).refused(3, &["keys can be read by others", "chmod 700"]);
    set_mode(&dir.join("keys"), 0o700);
    run(&dir, &["config", "check"]).done();
}

#[test]
fn an_overlong_socket_path_names_its_length_and_the_way_out() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let long = hosts.file(&"x".repeat(100));
    std::fs::rename(hosts.dir("norden"), &long).expect("moved");
    let bytes = long.join("api.sock").as_os_str().len().to_string();
    for args in [&["config", "check"][..], &["up"], &["status"]] {
        run(&long, args).refused(3, &["socket is too long", &bytes, "107", "--dir"]);
    }
}

#[test]
fn a_node_that_is_not_there_is_named_with_the_command_that_starts_it() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    for args in [&["status"][..], &["stop"], &["peer", "list"], &["op", "list"], &["log"], &["note", "x"]] {
        run(&dir, args).refused(4, &["no node is running here", "next: entente up"]);
        // Whoever named the folder is shown a command that names it.
        let named = dir.display().to_string();
        run(&dir, &[&["--dir", &named], args].concat())
            .refused(4, &["no node is running here", &format!("next: entente --dir {named} up")]);
    }
}

#[test]
fn an_unknown_setting_or_address_is_named_with_its_line() {
    let hosts = Hosts::init(&["norden"]);
    hosts.join_all();
    let dir = hosts.dir("norden");
    std::fs::write(dir.join("config.toml"), "profile = \"lan\"\nport = 4001\n").expect("written");
    run(&dir, &["config", "check"]).refused(3, &["config.toml is not valid", "line 2", "port"]);
    std::fs::write(dir.join("config.toml"), "peers = [\"/ip4/10.0.0.1/tcp/4001\"]\n").expect("written");
    run(&dir, &["up"]).refused(3, &["/ip4/10.0.0.1/tcp/4001 is not of the form"]);
}

#[test]
fn a_full_disk_while_keys_are_written_leaves_nothing_behind() {
    let hosts = Hosts::init(&[]);
    let dir = hosts.dir("norden");
    // No file may grow beyond 0 blocks; the signal is ignored, so that writing fails as on a full disk.
    let script =
        format!("trap '' XFSZ; ulimit -f 0; exec {} init --partner norden", env!("CARGO_BIN_EXE_entente"));
    let said = std::process::Command::new("sh")
        .args(["-c", &script])
        .env("ENTENTE_DIR", &dir)
        .output()
        .expect("sh can be run");
    let said = crate::cli_support::Said::from(said);
    said.refused(1, &["cannot write", "make room"]);
    assert!(!dir.join("keys").exists() && !dir.join("norden.card.toml").exists());
    // With room, the same command works.
    assert!(entente(&dir).args(["init", "--partner", "norden"]).status().expect("run").success());
}
