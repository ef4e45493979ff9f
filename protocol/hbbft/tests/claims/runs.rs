//! Whole epochs: agreement, validity, totality and termination over many seeds.

use entente_hbbft::{Committee, Seat};

use crate::liars::Way;
use crate::rng::Rng;
use crate::world::{Plan, World};

/// Prints how to replay the run that panics.
struct Replay(&'static str, u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self(test, seed) = self;
            eprintln!("replay: HBBFT_SEED={seed} cargo test -p entente-hbbft --test claims {test}");
        }
    }
}

/// Runs `count` seeds of a plan drawn from each, or the one that HBBFT_SEED names.
fn over_seeds(test: &'static str, count: u64, plan: impl Fn(&mut Rng) -> Plan) {
    let named = std::env::var("HBBFT_SEED").ok().map(|text| text.parse().expect("HBBFT_SEED is a number"));
    let seeds = named.map_or(0..count, |seed| seed..seed + 1);
    for seed in seeds {
        let _replay = Replay(test, seed);
        let plan = plan(&mut Rng::new(!seed));
        World::new(plan, seed).run();
    }
}

fn seats(n: usize) -> Vec<Seat> {
    Committee::new(n).expect("sizes used here are committees").seats().collect()
}

/// Up to `count` seats that lie, each in a way of its own.
fn liars(n: usize, count: usize, rng: &mut Rng) -> Vec<(Seat, Way)> {
    let mut seats = seats(n);
    rng.shuffle(&mut seats);
    seats.truncate(count);
    seats.into_iter().map(|seat| (seat, rng.pick(&Way::ALL))).collect()
}

fn faulty(n: usize) -> usize {
    (n - 1) / 3
}

#[test]
fn a_lone_seat_agrees_with_itself_at_once() {
    over_seeds("a_lone_seat", 4, |rng| Plan { n: 1, crashes: rng.below(3), ..Plan::default() });
}

#[test]
fn honest_seats_agree_under_any_order_of_delivery() {
    for n in [2, 3, 4, 5, 6, 7, 10] {
        over_seeds("honest_seats_agree", 30, |_| Plan { n, observed: true, ..Plan::default() });
    }
}

#[test]
fn honest_seats_agree_although_f_of_them_contribute_nothing() {
    for n in [4, 7, 10] {
        over_seeds("honest_seats_agree_although", 20, |rng| {
            let idle = liars(n, faulty(n), rng).into_iter().map(|(seat, _)| seat).collect();
            Plan { n, idle, observed: true, ..Plan::default() }
        });
    }
}

#[test]
fn honest_seats_agree_beside_f_liars_of_any_kind() {
    for (n, count) in [(4, 120), (7, 60), (10, 20)] {
        over_seeds("honest_seats_agree_beside", count, |rng| Plan {
            n,
            liars: liars(n, faulty(n), rng),
            observed: rng.one_in(2),
            ..Plan::default()
        });
    }
}

#[test]
fn honest_seats_agree_beside_f_liars_of_one_kind() {
    for way in Way::ALL {
        for n in [4, 7] {
            over_seeds("of_one_kind", 12, |rng| {
                let liars = liars(n, faulty(n), rng).into_iter().map(|(seat, _)| (seat, way)).collect();
                Plan { n, liars, ..Plan::default() }
            });
        }
    }
}

#[test]
fn a_starved_seat_holds_nobody_up_and_catches_up() {
    for (n, count) in [(4, 60), (7, 40), (10, 15)] {
        over_seeds("a_starved_seat", count, |rng| {
            let liars = liars(n, rng.below(faulty(n) + 1), rng);
            let honest: Vec<_> =
                seats(n).into_iter().filter(|seat| liars.iter().all(|(liar, _)| liar != seat)).collect();
            Plan { n, starved: Some(rng.pick(&honest)), liars, ..Plan::default() }
        });
    }
}

#[test]
fn seats_that_crash_never_contradict_themselves_and_agree() {
    for (n, count) in [(2, 20), (3, 20), (4, 100), (7, 40), (10, 10)] {
        over_seeds("seats_that_crash", count, |rng| {
            let liars = liars(n, rng.below(faulty(n) + 1), rng);
            Plan { n, liars, crashes: 1 + rng.below(3 * n), ..Plan::default() }
        });
    }
}

#[test]
fn divided_seats_agree_beside_liars_and_crashes() {
    for (n, count) in [(4, 150), (7, 50), (10, 8)] {
        over_seeds("divided_seats", count, |rng| {
            let mut liars = liars(n, faulty(n), rng);
            for (_, way) in &mut liars {
                *way = rng.pick(&[Way::BothWays, Way::BothWays, Way::Junk, Way::PartialDelivery, *way]);
            }
            let crashes = if rng.one_in(2) { rng.below(n) } else { 0 };
            Plan { n, liars, crashes, divided: true, ..Plan::default() }
        });
    }
}
