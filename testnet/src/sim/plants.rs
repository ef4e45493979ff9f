//! Bugs planted on purpose in the production code, each of which the simulator must catch.
//!
//! They are compiled with the feature `plant` only; tests have it. Where blind search is slow, a plant brings the
//! hostility that finds it: the size of the coalition, the way that its faulty seats lie, the plan of the scheduler.

use super::history::{Past, Wish};
use super::liars::Way;
use super::weather::Theme;

/// A bug, and where to look for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plant {
    pub(super) name: &'static str,
    /// What is wrong.
    pub(super) what: &'static str,
    seats: Option<usize>,
    way: Option<Way>,
    theme: Option<Theme>,
    roll_back: Option<Past>,
    all_busy: bool,
    /// What is planted in its place where its histories are tried without it; most often nothing.
    pub(super) control: &'static str,
}

const fn plant(name: &'static str, what: &'static str) -> Plant {
    Plant { name, what, seats: None, way: None, theme: None, roll_back: None, all_busy: false, control: "" }
}

impl Plant {
    const fn seats(self, seats: usize) -> Self {
        Self { seats: Some(seats), ..self }
    }

    const fn way(self, way: Way) -> Self {
        Self { way: Some(way), ..self }
    }

    const fn theme(self, theme: Theme) -> Self {
        Self { theme: Some(theme), ..self }
    }

    const fn roll_back(self, past: Past) -> Self {
        Self { roll_back: Some(past), ..self }
    }

    const fn all_busy(self) -> Self {
        Self { all_busy: true, ..self }
    }

    const fn control(self, control: &'static str) -> Self {
        Self { control, ..self }
    }

    /// What its histories are drawn with, where nothing else is asked for.
    pub(super) fn wish(&self, wish: Wish) -> Wish {
        Wish {
            seats: wish.seats.or(self.seats),
            way: wish.way.or(self.way),
            theme: wish.theme.or(self.theme),
            roll_back: self.roll_back,
            // They are bugs of the order, which is the same whatever is ordered.
            plain: true,
            all_busy: self.all_busy,
        }
    }

    /// How the liars lie that its histories bring.
    pub(super) fn liars(&self) -> Option<Way> {
        self.way.or((self.theme == Some(Theme::KnownCoins)).then_some(Way::PlaysCoins))
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|plant| plant.name == name)
    }
}

/// All of them.
pub(super) const ALL: [Plant; 24] = [
    plant("echo-quorum", "READY upon one ECHO too few").way(Way::TwoContributions),
    plant("bare-bval", "READYs for different digests count together as BVAL(1)").seats(4).way(Way::Torn),
    plant("stops-after-term", "a seat says nothing more once it has decided")
        .seats(7)
        .way(Way::Favours)
        .theme(Theme::EarlyZero),
    plant("term-without-aux", "a seat that has decided leaves its AUX unsent")
        .seats(7)
        .way(Way::Favours)
        .theme(Theme::Behind),
    plant("own-round-window", "votes are refused by the own round, not by that which others have reached")
        .theme(Theme::KnownCoins),
    plant("no-conf", "no CONF where the coin is real").theme(Theme::KnownCoins),
    plant("repeats-stored", "frames that repeat what was said are stored").way(Way::Repeats),
    plant("send-before-persist", "a frame leaves before it is durable"),
    plant("echo-volatile", "ECHO for a payload that is not durable")
        .way(Way::Silence)
        .theme(Theme::AllRestart),
    plant("cut-at-f", "f claims carry a cut").way(Way::FalseClaims),
    plant("start-without-ii", "a contribution that claims what a seat holds does not start it")
        .seats(4)
        .way(Way::Hollow)
        .theme(Theme::LoneStarter),
    plant("one-starts-all", "any one contribution starts everyone").way(Way::Restless),
    plant("prune-above", "votes are forgotten before their epoch is certified"),
    plant("no-nonce", "reports of earlier starts count").seats(7).way(Way::Replays).roll_back(Past::Ambush),
    plant("only-longer", "own frames that differ from those on the disk are not noticed")
        .theme(Theme::Uncertified)
        .roll_back(Past::TwoLives),
    plant("time-cap", "f + 1 clocks throw batch time forward").way(Way::FarClock),
    plant("due-once", "a due is written once only"),
    plant("fast-due", "a fast clock writes due for ever").theme(Theme::Calm),
    plant("not-parked", "an entry has its effect before the one that it names"),
    plant("thawed", "what stands in a frozen feed behind the proof has its effect").way(Way::Forks),
    plant("proof-unwritten", "proofs are kept and never written").way(Way::ForkPerPeer),
    plant("votes-below-floor", "a seat votes in epochs that others have certified and forgotten")
        .seats(4)
        .roll_back(Past::Plain),
    plant("same-life", "a node that was restored writes on in the incarnation that it has forgotten")
        .seats(4)
        .roll_back(Past::Plain),
    plant("quota-own-order", "where the limit of bytes bites, each takes its own feeds first")
        .seats(7)
        .all_busy()
        .control("small-contributions"),
];
