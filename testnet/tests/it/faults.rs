//! Faults with real processes: partners away, killed at any moment, without their first address.

use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use entente_node::api::dto::{MetricsView, RecordState, SubmitView};

use crate::support::{Net, eventually, wait_for};

#[test]
fn with_two_of_four_killed_nothing_is_ordered_and_all_is_once_one_returns() {
    let net = Net::up(4);
    net.run(&["kill", "estmark"]);
    net.run(&["kill", "skywatch"]);
    net.until("norden", "misses them", |status| status.margin < 0);
    let before = net.ordered("norden");
    let mut ids = Vec::new();
    for title in ["one", "two", "three"] {
        let (code, said) = net.entente("norden", &["op", "open", "--type", "airlift", "--title", title]);
        assert_eq!(code, Some(5), "{said}");
        assert!(said.contains("held") && said.contains("estmark") && said.contains("skywatch"), "{said}");
        ids.push(said.split_whitespace().next().expect("the id comes first").to_owned());
    }
    let status = net.until("norden", "holds them", |status| status.held >= 3);
    assert_eq!(status.word.to_string(), "stalled");
    assert_eq!(net.ordered("norden"), before, "nothing is ordered");
    let said = net.run(&["restart", "estmark"]);
    assert!(said.contains("estmark is back in the mesh"), "{said}");
    let linked = net.get::<entente_node::api::dto::StatusView>("estmark", "/v1/status").expect("it runs");
    let links = linked.seats.iter().filter(|seat| seat.connected).count();
    assert_eq!(links, 3, "with itself, norden and sudria");
    for partner in ["norden", "sudria", "estmark"] {
        net.until(partner, "has ordered all", |status| status.held == 0 && status.epoch.certified > 0);
        let ordered = eventually("all three are ordered", || {
            let ordered = net.ordered(partner);
            ids.iter().all(|id| ordered.contains(id)).then_some(ordered)
        });
        assert_eq!(ordered.len(), before.len() + 3, "each once");
    }
}

#[test]
fn nothing_acknowledged_is_lost_over_kills_at_any_moment() {
    let net = Net::up(4);
    let partners = ["norden", "sudria", "estmark", "skywatch"];
    let mut acknowledged = Vec::new();
    for round in 0..8 {
        let victim = partners[round % 4];
        std::thread::scope(|scope| {
            let writers: Vec<_> = partners
                .iter()
                .map(|partner| {
                    let client = net.client(partner);
                    scope.spawn(move || {
                        let mut ids = Vec::new();
                        for i in 0..12 {
                            let note = format!("{round} {i} {partner}").into_bytes();
                            let path = "/v1/notes?wait=held&timeout_ms=5000";
                            // A node that is killed answers nothing: what it did not acknowledge is not claimed.
                            let answer: Result<SubmitView, _> =
                                wait_for(client.post(path, note, Duration::from_secs(6)));
                            let Ok(view) = answer else { break };
                            assert!(view.state >= RecordState::Held);
                            ids.push(view.id.to_string());
                        }
                        ids
                    })
                })
                .collect();
            // Another moment in every round: after some of the victim's commits.
            let commits = || net.get::<serde_json::Value>(victim, "/v1/metrics")?.get("commits")?.as_u64();
            let begun = commits().unwrap_or(0);
            eventually("the victim works", || commits().filter(|now| *now > begun + round as u64));
            net.run(&["kill", victim]);
            for writer in writers {
                acknowledged.extend(writer.join().expect("a writer"));
            }
        });
        net.run(&["restart", victim]);
    }
    for partner in partners {
        eventually(&format!("{partner} has ordered all"), || {
            let ordered = net.ordered(partner);
            acknowledged.iter().all(|id| ordered.contains(id)).then_some(())
        });
    }
    let logs: Vec<_> = partners.iter().map(|partner| net.ordered(partner)).collect();
    assert!(logs.windows(2).all(|pair| pair[0] == pair[1]), "one order");
    let mut once = logs[0].clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), logs[0].len(), "each is ordered once");
}

#[test]
fn a_damaged_store_stops_its_node_with_7_and_the_others_lose_nothing_and_order_on() {
    let net = Net::up(4);
    let open = |title| net.entente("estmark", &["op", "open", "--type", "airlift", "--title", title]);
    let (code, said) = open("before the damage");
    assert_eq!(code, Some(0), "{said}");
    let before = said.split_whitespace().next().expect("the id comes first").to_owned();
    net.run(&["kill", "estmark"]);
    let path = net.data_dir("estmark").join("store.redb");
    let store = std::fs::File::options().write(true).open(&path).expect("a store");
    // The first page says what the file is; the damage is in all the others.
    for page in (4096..store.metadata().expect("there").len()).step_by(4096) {
        store.write_all_at(&[0xa5; 64], page).expect("written");
    }
    let (code, said) = net.entente("estmark", &["up"]);
    assert_eq!(code, Some(7), "{said}");
    assert!(said.contains("the store is damaged") && said.contains("  next: "), "{said}");
    let (_, said) = net.fails(&["restart", "estmark"]);
    assert!(said.contains("estmark") && said.contains("damaged"), "{said}");
    for partner in ["norden", "sudria", "skywatch"] {
        assert!(net.ordered(partner).contains(&before), "{partner} has lost it");
        let (code, said) = net.entente(partner, &["note", "after the damage"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("ordered at leaf"), "{said}");
    }
}

#[test]
fn after_all_were_killed_three_find_each_other_without_the_first_address() {
    let net = Net::up(4);
    let partners = ["norden", "sudria", "estmark", "skywatch"];
    for partner in partners {
        eventually(&format!("{partner} has stored where the others are"), || {
            let metrics = net.get::<MetricsView>(partner, "/v1/metrics")?;
            (metrics.remembered == 3).then_some(())
        });
    }
    for partner in partners {
        net.run(&["kill", partner]);
    }
    for partner in ["sudria", "estmark", "skywatch"] {
        net.run(&["restart", partner]);
    }
    net.until("sudria", "has found two from its book", |status| status.margin >= 0);
    let (code, said) =
        net.entente("sudria", &["op", "open", "--type", "airlift", "--title", "from the book"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn words_travel_around_a_cut_link_and_heal_brings_it_back() {
    let net = Net::up(4);
    let said = net.run(&["cut", "norden", "sudria"]);
    assert!(said.contains("they reach each other through others"), "{said}");
    let linked = |status: &entente_node::api::dto::StatusView, with: &str| {
        status.seats.iter().any(|seat| seat.partner == with && seat.connected)
    };
    // A cut link stays cut over restarts of both ends.
    for end in ["norden", "sudria"] {
        net.run(&["kill", end]);
    }
    for end in ["norden", "sudria"] {
        net.run(&["restart", end]);
    }
    net.until("norden", "has found the others", |status| linked(status, "estmark") && status.margin > 0);
    net.until("norden", "has not found the cut one", |status| !linked(status, "sudria"));
    net.run(&["kill", "skywatch"]);
    let (code, said) = net.entente("norden", &["op", "open", "--type", "airlift", "--title", "around"]);
    assert_eq!(code, Some(0), "{said}");
    let status = net.get::<entente_node::api::dto::StatusView>("norden", "/v1/status").expect("it runs");
    assert!(!linked(&status, "sudria"), "it was ordered around the cut link");
    net.run(&["heal"]);
    net.until("norden", "has the link again", |status| linked(status, "sudria"));
    assert!(net.run(&["heal"]).contains("no link was cut"));
}
