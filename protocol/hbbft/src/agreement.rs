//! Binary agreement on whether one proposer's payload belongs to the epoch.
//!
//! **Guarantees**, with at most f Byzantine seats: *agreement*, no two honest seats decide differently;
//! *validity*, the decided value was the input of an honest seat, so 1 is decided only if the proposer's
//! [broadcast](crate::broadcast) delivers everywhere; *termination* with probability 1 once all honest seats
//! have an input, channels deliver in the end and the scheduler cannot predict the coin.
//!
//! **How**: A. Mostéfaoui, H. Moumen, M. Raynal, *Signature-free asynchronous Byzantine consensus with
//! t < n/3 and O(n²) messages* (PODC 2014; Journal of the ACM 62, 2015), with a CONF phase before the coin,
//! because without it a scheduler that learns the coin from the first seats can keep the last one apart for
//! ever. In each round:
//!
//! 1. BVAL(estimate); BVAL(b) also upon `weak` BVAL(b) (figure 1, line 4); b is accepted (enters `bin_values`)
//!    upon `quorum` BVAL(b) (line 5).
//! 2. AUX(b) for the first accepted b (figure 2, line 3).
//! 3. CONF(values) upon AUX of `quorum` seats, all for accepted values; `values` are those in them (line 4).
//! 4. Upon CONF of `quorum` seats, all of accepted values, with the union V of them: toss the coin s (line 5).
//!    V = {s}: decide s. V = {b}: the next estimate is b, else s (lines 6 to 8).
//!
//! In rounds with a [fixed coin](crate::coin) nobody can learn it early, since everybody knows it: they have no
//! CONF, and AUX takes its place in step 4.
//!
//! Round 0 differs: input 1 is READY(D), which *is* BVAL(1), and 1 is accepted when the broadcast is, that is
//! upon `quorum` READY for one digest. Where its coin is 1, READY(D) of *all* seats decide 1 at once, if each
//! stands in its sender's chain before any BVAL(0) there: then no honest seat has input 0, BVAL(0) stays
//! below `weak`, and all honest AUX of round 0 are for 1.
//!
//! **After deciding** b a seat says TERM(b, r), r being its round. TERM counts as its BVAL, AUX and CONF of b
//! in all rounds above r; `weak` TERM(b) decide b, since one of them is honest. In rounds up to r the seat goes
//! on as if undecided: it amplifies BVAL and READY, and sends the AUX and CONF that it still owes. A seat that
//! stopped at once, or that decided by others' TERM before its AUX, would starve late ones. For the same reason
//! who decides by TERMs says its own only in a round that `weak` of them have reached: before, its TERM would
//! speak against a value that it may have to amplify there.
//!
//! **After a restart** the own votes are counted as said and nothing is said twice; round and estimate are
//! recomputed from the peers' votes. The recomputed estimate may differ from the one before, which is harmless:
//! an honest seat may say BVAL for both values, and AUX, CONF and TERM bind. A seat that decides in a
//! recomputed round below its own earlier votes names the greatest round that it voted in, and goes on to there.
//!
//! **Bounds**: votes are stored for rounds up to M + [`ROUNDS_AHEAD`], M being the greatest round that stored
//! BVAL, AUX or CONF of `weak` seats have reached. (Bounding by the own round would lock a late vote behind a
//! frame that is refused for ever.) Votes above the own round wait.

use crate::coin::{Coins, FIXED_COINS};
use crate::committee::{Committee, Seat, SeatSet};
use crate::fault::FrameFault;
use crate::message::{BoolSet, MAX_ROUND, Message, Round, Vote};
use crate::plant;

/// R: how many rounds beyond the horizon M votes are stored.
pub const ROUNDS_AHEAD: u16 = 8;

/// Who looks at an instance: the committee, and the own seat of one that votes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party {
    pub(crate) committee: Committee,
    pub(crate) own: Option<Seat>,
}

/// How far the broadcast of a proposer is, by READYs for one digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ready {
    /// Fewer than `quorum`.
    Open,
    /// `quorum`: it is accepted.
    Accepted,
    /// All seats.
    All,
}

/// The agreement on one proposer as one seat sees it.
#[derive(Clone, Debug)]
pub(crate) struct Agreement {
    proposer: Seat,
    /// Indexed by round; as long as the greatest round in which anything was said, and the own round.
    rounds: Vec<Votes>,
    /// The own round.
    round: Round,
    decided: Option<bool>,
    /// Who sent TERM, by value.
    terms: [SeatSet; 2],
    /// Indexed by seat: the round of its TERM. Means nothing for a seat without one.
    term_rounds: Vec<Round>,
    /// Indexed by seat: the greatest round of its BVAL, AUX or CONF.
    reached: Vec<Round>,
    /// M.
    horizon: Round,
    /// Whether some seat's READY did not stand in its chain before its BVAL(0) in round 0.
    ready_late: bool,
}

/// The votes of one round, those that a TERM stands for among them. AUX and CONF have one per seat.
#[derive(Clone, Copy, Debug, Default)]
struct Votes {
    /// By value. In round 0 nobody is in the second: READY stands for it.
    bval: [SeatSet; 2],
    /// By value.
    aux: [SeatSet; 2],
    /// {0}, {1}, {0, 1}.
    conf: [SeatSet; 3],
}

impl Votes {
    fn stand_in(&mut self, seat: Seat, value: bool) {
        for set in [&mut self.bval, &mut self.aux] {
            set[usize::from(value)].insert(seat);
        }
        self.conf[usize::from(value)].insert(seat);
    }

    fn has_aux(&self, seat: Seat) -> bool {
        self.aux.iter().any(|set| set.contains(seat))
    }

    fn has_conf(&self, seat: Seat) -> bool {
        self.conf.iter().any(|set| set.contains(seat))
    }

    fn has(&self, seat: Seat, vote: Vote) -> bool {
        match vote {
            Vote::Bval(value) => self.bval[usize::from(value)].contains(seat),
            Vote::Aux(_) => self.has_aux(seat),
            Vote::Conf(_) => self.has_conf(seat),
            Vote::Term(_) => false,
        }
    }

    fn insert(&mut self, seat: Seat, vote: Vote) {
        match vote {
            Vote::Bval(value) => self.bval[usize::from(value)].insert(seat),
            Vote::Aux(value) => self.aux[usize::from(value)].insert(seat),
            Vote::Conf(BoolSet::Zero) => self.conf[0].insert(seat),
            Vote::Conf(BoolSet::One) => self.conf[1].insert(seat),
            Vote::Conf(BoolSet::Both) => self.conf[2].insert(seat),
            Vote::Term(_) => false,
        };
    }
}

impl Agreement {
    pub(crate) fn new(proposer: Seat, committee: Committee) -> Self {
        Self {
            proposer,
            rounds: vec![Votes::default()],
            round: Round::FIRST,
            decided: None,
            terms: [SeatSet::EMPTY; 2],
            term_rounds: vec![Round::FIRST; committee.size()],
            reached: vec![Round::FIRST; committee.size()],
            horizon: Round::FIRST,
            ready_late: false,
        }
    }

    pub(crate) fn decided(&self) -> Option<bool> {
        self.decided
    }

    pub(crate) fn round(&self) -> Round {
        self.round
    }

    /// Who sent TERM for `value`.
    pub(crate) fn terms(&self, value: bool) -> SeatSet {
        self.terms[usize::from(value)]
    }

    fn term_round(&self, seat: Seat) -> Option<Round> {
        let termed = self.terms.iter().any(|set| set.contains(seat));
        termed.then(|| self.term_rounds[seat.index()])
    }

    /// Refuses a vote that is not new in its sender's chain.
    pub(crate) fn check(&self, from: Seat, round: Round, vote: Vote) -> Result<(), FrameFault> {
        let proposer = self.proposer;
        let not_new = Err(FrameFault::NotNew { message: Message::vote(proposer, round, vote) });
        match (self.term_round(from), vote) {
            (Some(_), Vote::Term(_)) => return not_new,
            (Some(last), _) if round > last => return Err(FrameFault::AfterTerm { proposer, round }),
            // A TERM below the sender's own votes would have them count twice.
            (None, Vote::Term(_)) if round < self.reached[from.index()] => {
                return Err(FrameFault::AfterTerm { proposer, round: self.reached[from.index()] });
            }
            _ => {}
        }
        match self.rounds.get(round.index()) {
            Some(votes) if votes.has(from, vote) => not_new,
            _ => Ok(()),
        }
    }

    /// Whether votes of this round are stored yet.
    pub(crate) fn within_horizon(&self, round: Round) -> bool {
        let reached = if plant::is("own-round-window") { self.round } else { self.horizon };
        round.0 <= reached.0.saturating_add(ROUNDS_AHEAD)
    }

    /// Rounds that hold votes beyond those that `weak` seats or this one have reached: at most [`ROUNDS_AHEAD`].
    pub(crate) fn rounds_ahead(&self, own: Option<Seat>) -> usize {
        let said = own.map_or(Round::FIRST, |own| self.reached[own.index()]);
        self.rounds.len() - 1 - self.horizon.max(self.round).max(said).index()
    }

    /// Records a vote that passed [`Agreement::check`].
    pub(crate) fn record(&mut self, from: Seat, round: Round, vote: Vote, committee: Committee) {
        if let Vote::Term(value) = vote {
            self.terms[usize::from(value)].insert(from);
            self.term_rounds[from.index()] = round;
            for votes in self.rounds.iter_mut().skip(round.next().index()) {
                votes.stand_in(from, value);
            }
            return;
        }
        self.grow(round);
        self.rounds[round.index()].insert(from, vote);
        let reached = &mut self.reached[from.index()];
        *reached = round.max(*reached);
        while self.horizon < round
            && self.reached.iter().filter(|reached| **reached > self.horizon).count() >= committee.weak()
        {
            self.horizon = self.horizon.next();
        }
    }

    /// A READY came that does not stand before its sender's BVAL(0).
    pub(crate) fn on_late_ready(&mut self) {
        self.ready_late = true;
    }

    /// Records an own vote of before a restart: it binds.
    pub(crate) fn restore(&mut self, own: Seat, round: Round, vote: Vote, committee: Committee) {
        self.record(own, round, vote, committee);
        if let Vote::Term(value) = vote {
            self.decided = Some(value);
        }
    }

    /// Makes room for `round`; TERMs stand in for votes in every new round above them.
    fn grow(&mut self, round: Round) {
        while self.rounds.len() <= round.index() {
            let mut votes = Votes::default();
            for value in [false, true] {
                for seat in self.terms(value).iter() {
                    if self.term_rounds[seat.index()].index() < self.rounds.len() {
                        votes.stand_in(seat, value);
                    }
                }
            }
            self.rounds.push(votes);
        }
    }

    /// Inputs 0, unless the seat has said so before. Input 1 is READY, which the broadcast says.
    pub(crate) fn input_zero(&mut self, party: Party, out: &mut Vec<Message>) {
        if let Some(own) = party.own {
            self.say(own, Round::FIRST, Vote::Bval(false), party.committee, out);
        }
    }

    /// Whether the seat has said BVAL(0) in round 0.
    pub(crate) fn has_input_zero(&self, seat: Seat) -> bool {
        self.rounds[0].bval[0].contains(seat)
    }

    /// Says what is due now. `ready` is how far the broadcast is.
    pub(crate) fn advance(&mut self, party: Party, ready: Ready, coins: &Coins, out: &mut Vec<Message>) {
        let accepted = ready >= Ready::Accepted;
        loop {
            let before = (out.len(), self.round, self.decided);
            if let Some(own) = party.own {
                let silent = plant::is("stops-after-term") && self.decided.is_some();
                for round in (0..=self.round.0).map(Round).filter(|_| !silent) {
                    self.vote(own, round, accepted, party.committee, out);
                }
            }
            // `weak` TERM(b): an honest seat has decided b.
            let committee = party.committee;
            let backed = [false, true].into_iter().find(|b| self.terms(*b).len() >= committee.weak());
            if let Some(value) = backed {
                self.decided = self.decided.or(Some(value));
                // The own TERM only in a round from which on an honest seat counts for b already.
                let mut of: Vec<Round> =
                    self.terms(value).iter().map(|seat| self.term_rounds[seat.index()]).collect();
                of.sort_unstable();
                if of[committee.weak() - 1] <= self.round {
                    self.term(value, party, out);
                }
            }
            if ready == Ready::All && self.decides_on_ready_of_all(party, coins) {
                self.decide(true, party, out);
            }
            self.close_round(party, accepted, coins, out);
            if before == (out.len(), self.round, self.decided) {
                return;
            }
        }
    }

    /// Steps 1 to 3 of a round that the own seat has entered.
    fn vote(
        &mut self,
        own: Seat,
        round: Round,
        accepted: bool,
        committee: Committee,
        out: &mut Vec<Message>,
    ) {
        for value in [false, true] {
            let backed = self.rounds[round.index()].bval[usize::from(value)].len() >= committee.weak();
            if backed {
                self.say(own, round, Vote::Bval(value), committee, out);
            }
        }
        let bin = self.bin_values(round, accepted, committee);
        if bin == [false; 2] {
            return;
        }
        if plant::is("term-without-aux") && self.decided.is_some() {
            return;
        }
        if !self.rounds[round.index()].has_aux(own) {
            // Either is right if both are accepted; 1 takes more contributions in.
            self.say(own, round, Vote::Aux(bin[1]), committee, out);
        }
        let votes = &self.rounds[round.index()];
        if has_conf(round)
            && !votes.has_conf(own)
            && let Some(values) = settled(bin, votes.aux, SeatSet::EMPTY, committee)
        {
            self.say(own, round, Vote::Conf(values), committee, out);
        }
    }

    /// Step 4: leaves the own round if its CONF and coin are there.
    fn close_round(&mut self, party: Party, accepted: bool, coins: &Coins, out: &mut Vec<Message>) {
        // The last round in which the own seat votes; an observer needs none after deciding.
        let is_last = |agreement: &Self| match party.own {
            Some(own) => agreement.term_round(own) == Some(agreement.round),
            None => agreement.decided.is_some(),
        };
        let bin = self.bin_values(self.round, accepted, party.committee);
        let votes = &self.rounds[self.round.index()];
        let owes_conf = has_conf(self.round) && party.own.is_some_and(|own| !votes.has_conf(own));
        if is_last(self) || owes_conf {
            return;
        }
        let [zero, one, both] = if has_conf(self.round) && !plant::is("no-conf") {
            votes.conf
        } else {
            [votes.aux[0], votes.aux[1], SeatSet::EMPTY]
        };
        let Some(values) = settled(bin, [zero, one], both, party.committee) else {
            return;
        };
        let Some(coin) = coins.value(self.proposer, self.round) else {
            return;
        };
        if values.definite() == Some(coin) {
            self.decide(coin, party, out);
        }
        if is_last(self) || self.round >= MAX_ROUND {
            return;
        }
        self.round = self.round.next();
        self.grow(self.round);
        if let Some(own) = party.own {
            let estimate = values.definite().unwrap_or(coin);
            self.say(own, self.round, Vote::Bval(estimate), party.committee, out);
        }
    }

    /// Whether READY of all seats decides 1 here, the own AUX(0) and BVAL(0) being unsaid.
    fn decides_on_ready_of_all(&self, party: Party, coins: &Coins) -> bool {
        let votes = &self.rounds[0];
        let unsaid = |own| !votes.bval[0].contains(own) && !votes.aux[0].contains(own);
        let coin = || coins.value(self.proposer, Round::FIRST) == Some(true);
        let open = self.decided.is_none() && self.round == Round::FIRST && !self.ready_late;
        open && coin() && party.own.is_none_or(unsaid)
    }

    fn decide(&mut self, value: bool, party: Party, out: &mut Vec<Message>) {
        if self.decided.is_none() || self.decided == Some(value) {
            self.decided = Some(value);
            self.term(value, party, out);
        }
    }

    /// Says TERM, once.
    fn term(&mut self, value: bool, party: Party, out: &mut Vec<Message>) {
        if let Some(own) = party.own
            && self.term_round(own).is_none()
        {
            let round = self.round.max(self.reached[own.index()]);
            self.say(own, round, Vote::Term(value), party.committee, out);
        }
    }

    /// The accepted values of a round, by value.
    fn bin_values(&self, round: Round, accepted: bool, committee: Committee) -> [bool; 2] {
        let bval = self.rounds[round.index()].bval.map(|set| set.len() >= committee.quorum());
        if round == Round::FIRST { [bval[0], accepted] } else { bval }
    }

    fn say(&mut self, own: Seat, round: Round, vote: Vote, committee: Committee, out: &mut Vec<Message>) {
        if !self.rounds.get(round.index()).is_some_and(|votes| votes.has(own, vote)) {
            self.record(own, round, vote, committee);
            out.push(Message::vote(self.proposer, round, vote));
        }
    }
}

/// Whether rounds like this one have a CONF: the coin is no fixed one.
fn has_conf(round: Round) -> bool {
    round.0 >= FIXED_COINS
}

/// The values in the votes of some quorum, all for accepted values. One value alone is preferred: any quorum
/// will do, and it is the faster one.
fn settled(bin: [bool; 2], single: [SeatSet; 2], both: SeatSet, committee: Committee) -> Option<BoolSet> {
    let alone = |b: &bool| bin[usize::from(*b)] && single[usize::from(*b)].len() >= committee.quorum();
    if let Some(value) = [false, true].into_iter().find(alone) {
        return Some(BoolSet::of(value));
    }
    // No value has a quorum alone, so that a quorum holds both.
    let all = single[0].union(single[1]).union(both);
    (bin == [true; 2] && all.len() >= committee.quorum()).then_some(BoolSet::Both)
}
