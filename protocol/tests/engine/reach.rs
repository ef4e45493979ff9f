//! Who is missing, and since when: what counts is the last path, not the direct link.

use entente_hbbft::Seat;
use entente_protocol::time::Time;

use crate::net::Net;

/// What node 0 says of seat 1.
fn missing(net: &Net) -> Option<Time> {
    net.status(0).missing.iter().find(|(seat, _)| *seat == Seat(1)).map(|(_, since)| *since)
}

#[test]
fn a_seat_is_missing_from_the_moment_when_the_last_path_to_it_is_gone() {
    let mut net = Net::new(3, 1);
    net.start(0);
    let started = net.now;
    net.run_for(5_000);
    assert_eq!(missing(&net), Some(started), "never reached");
    net.start_all();
    net.run_for(5_000);
    assert_eq!(missing(&net), None);

    net.cut(0, 1);
    net.run_for(60_000);
    assert_eq!(missing(&net), None, "its words come through seat 2");
    assert!(net.status(0).reachable.contains(&Seat(1)));

    net.cut(1, 2);
    let gone = net.now;
    net.run_for(60_000);
    let since = missing(&net).expect("no path is left");
    assert!((gone..gone.plus(1_000)).contains(&since), "since {since:?}, gone {gone:?}");
    net.run_for(60_000);
    assert_eq!(missing(&net), Some(since), "the moment stays");

    net.heal_all();
    net.run_for(5_000);
    assert_eq!(missing(&net), None);
}

#[test]
fn a_clock_that_is_set_back_leaves_nobody_missing_since_the_future() {
    let mut net = Net::new(2, 2);
    net.start(0);
    net.nodes[0].clock_skew = -3_600_000;
    net.input(0, entente_protocol::engine::Input::Tick);
    let now = Time(net.now.0 - 3_600_000);
    assert_eq!(net.engine(0).status(now).missing, [(Seat(1), now)]);
}
