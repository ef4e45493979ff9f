//! Random joins against a shadow that knows names, numbers and lists alone: no signature, no hash, no code of the roster.

use super::order::random_record;
use super::*;
use crate::charter::Amendment;
use crate::coalition::{KeyRefusal, MemberRefusal};
use crate::credential::{Capability, Chain, Delegation};
use crate::founding::fixture::card;
use crate::founding::{Accession, Proposed};
use crate::record::{AssetAct, Change, Declare, KeyAct, MemberAct, Propose};

/// Who may join.
const NEWCOMERS: [&str; 6] = ["ostvik", "ullvik", "vestland", "westvik", "yttre", "zelda"];

/// What is wrong with an amendment that admits somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// Signed was another draft of the same version.
    OtherDraft,
    /// Signed was the version of another coalition.
    OtherCoalition,
    /// The signature is of something else.
    Forged,
    /// A key has no delegation.
    KeyLess,
    /// The word was given for an earlier amendment.
    Reused,
    /// It amends a version that is not the last one.
    OldVersion,
}

impl Damage {
    const ALL: [Self; 6] =
        [Self::OtherDraft, Self::OtherCoalition, Self::Forged, Self::KeyLess, Self::Reused, Self::OldVersion];
}

/// What must become of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Applied,
    /// Refused for what the amendment is.
    Unsound,
    /// Refused for a key that is somebody's.
    Taken,
    /// Its signer or its carrier is nobody.
    Unknown,
    /// Its author has left.
    Gone,
    /// Its author has no role there.
    NoRole,
    /// Anything but that its author is nobody or has no role there.
    Heard,
}

impl Fate {
    fn is(self, disposition: &Disposition) -> bool {
        let Disposition::Refused(refusal) = disposition else {
            return matches!(self, Self::Applied | Self::Heard) && *disposition == Disposition::Applied;
        };
        let unknown = matches!(refusal, Refusal::UnknownSigner { .. } | Refusal::UnknownNode { .. });
        let no_role = matches!(refusal, Refusal::RoleNotHeld { .. });
        match self {
            Self::Applied => false,
            Self::Unsound => matches!(refusal, Refusal::Member(MemberRefusal::Amendment(_))),
            Self::Taken => {
                matches!(refusal, Refusal::Key(KeyRefusal::Taken { .. } | KeyRefusal::Granted { .. }))
            }
            Self::Unknown => unknown,
            Self::Gone => matches!(refusal, Refusal::Member(MemberRefusal::NotActive { .. })),
            // Where nothing is said any more, nobody asks for roles.
            Self::NoRole => no_role || matches!(refusal, Refusal::Closed { .. }),
            Self::Heard => !unknown && !no_role,
        }
    }
}

/// A partner that has joined.
#[derive(Debug, Clone, Copy)]
struct Joined {
    name: &'static str,
    /// The version that it joined with.
    version: u32,
    left: bool,
}

/// The joins so far, as the shadow sees them, and what was said to bring them about.
#[derive(Debug, Default)]
pub(super) struct Joins {
    /// In the order of their nodes.
    joined: Vec<Joined>,
    /// Whose officers' keys were granted to sudria.
    taken: Vec<&'static str>,
    /// Amendments that were made.
    made: u32,
    in_force: u32,
    /// Proposals, how many amendments had been made when they were drafted, and whom they admit.
    proposals: Vec<(RecordId, u32, Vec<&'static str>)>,
    /// Airlifts, and how many amendments were in force when they were opened.
    lifts: Vec<(RecordId, u32)>,
    given: Vec<Accession>,
    /// Said so far.
    number: u64,
    /// What has become of what was said, and how many agreed amendments had become impossible.
    pub(super) fates: BTreeMap<&'static str, usize>,
}

fn pick<T: Copy>(rng: &mut Rng, all: &[T]) -> T {
    all[usize::try_from(rng.below(all.len() as u64)).expect("small")]
}

impl Joins {
    fn of(&self, name: &str) -> Option<Joined> {
        self.joined.iter().copied().find(|joined| joined.name == name)
    }

    /// What is said next, by whose node it is carried, and what must become of it.
    fn draw(&mut self, bench: &Bench, rng: &mut Rng) -> (Body, &'static str, Fate) {
        self.number += 1;
        let newcomer = pick(rng, &NEWCOMERS);
        let (joined, taken) = (self.of(newcomer), self.taken.contains(&newcomer));
        let signed = |by: &str, act: Act| {
            Body::Signed(record(&bench.founded, by, &format!("join {}", self.number), act))
        };
        let speaks = match joined {
            Some(joined) if joined.left => Fate::Gone,
            None if !taken => Fate::Unknown,
            _ => Fate::Applied,
        };
        match rng.below(20) {
            0..=4 => self.proposal(bench, rng),
            5..=11 if !self.proposals.is_empty() => {
                let latest = &self.proposals[self.proposals.len().saturating_sub(3)..];
                let (operation, partner) =
                    (latest[rng.below(latest.len() as u64) as usize].0, pick(rng, &FOUR));
                let standing = bench.state.operation(&operation).and_then(|it| it.standing(&name(partner)));
                let supersedes = standing.map(|said| said.record);
                let stance = if rng.below(10) == 0 { Object } else { Endorse };
                let word = attest(&bench.founded, partner, operation, Supporting, stance, supersedes);
                (Body::Signed(word), "vigil", Fate::Heard)
            }
            12 => {
                let act = Open {
                    kind: "airlift".into(),
                    title: "a lift".into(),
                    body: BTreeMap::new(),
                    precedence: None,
                };
                (signed("norden", Act::Open(act)), "norden", Fate::Applied)
            }
            13 | 14 if !self.lifts.is_empty() => {
                let (operation, in_force) = pick(rng, &self.lifts);
                let fate = match joined {
                    Some(joined) if !joined.left && joined.version > in_force => Fate::NoRole,
                    // Whoever granted itself the key has a role there.
                    _ if speaks == Fate::Applied => Fate::Heard,
                    _ => speaks,
                };
                let word = Attest {
                    operation,
                    role: Supporting,
                    stance: Endorse,
                    caveat: None,
                    evidence: vec![],
                    supersedes: None,
                };
                (signed(newcomer, Act::Attest(word)), "estmark", fate)
            }
            15 => {
                let note = Body::Note(format!("note {}", self.number).into_bytes());
                let fate = if taken && joined.is_none() { Fate::Unknown } else { speaks };
                (note, newcomer, fate)
            }
            16 if rng.below(3) == 0 => {
                let (root, officer) = (key("sudria", "root"), key(newcomer, "officer"));
                let (coalition, by, partner) = (bench.founded.coalition(), root.public(), name("sudria"));
                let (subject, capability) = (officer.public(), Capability::Officer);
                let link = Delegation::direct(coalition, by, subject, partner, capability, UNTIL).sign(&root);
                let free = joined.is_none() && !taken;
                let fate = if free { Fate::Applied } else { Fate::Taken };
                (signed("norden", Act::Key(KeyAct::Grant(Chain(vec![link])))), "norden", fate)
            }
            17 if joined.is_some() && rng.below(3) == 0 => {
                let act = Act::Member(MemberAct::Withdraw { ground: "done".into() });
                (signed(newcomer, act), "norden", speaks)
            }
            _ => {
                let (asset, kind) = (format!("lift-{}", self.number), "aircraft".parse().expect("a name"));
                let asset = asset.parse().expect("a name");
                let act = AssetAct::Declare(Declare { name: asset, kind, label: "a lift".into() });
                (signed(newcomer, Act::Asset(act)), "norden", speaks)
            }
        }
    }

    /// An amendment that admits one or two, sound or not.
    fn proposal(&mut self, bench: &Bench, rng: &mut Rng) -> (Body, &'static str, Fate) {
        let damage = (rng.below(3) == 0).then(|| pick(rng, &Damage::ALL));
        let earlier = self.made > 0 && damage == Some(Damage::OldVersion);
        let version = bench.state.last_charter().version - u32::from(earlier);
        let base = Arc::clone(bench.state.charter_at(version).expect("there are so many"));
        let mut wanted = Charter::clone(&base);
        let free = |partner: &&str| base.partner(partner).is_none();
        let mut names = NEWCOMERS.iter().copied().filter(free).collect::<Vec<_>>();
        rng.shuffle(&mut names);
        names.truncate(1 + usize::from(rng.below(4) == 0));
        names.sort_unstable();
        for partner in &names {
            wanted.admitted.push(card(partner).entry(UNTIL));
            let lifts = wanted.operations.iter_mut().filter(|kind| kind.name.as_str() == "airlift");
            lifts.for_each(|kind| kind.supporting.push(name(partner)));
        }
        let lifts = wanted.operations.iter_mut().filter(|kind| kind.name.as_str() == "airlift");
        lifts.for_each(|kind| kind.window_ms = (3 + rng.below(9)) * HOUR_MS);
        wanted.sort();
        let Ok(next) = base.next_version(&wanted) else {
            let note = Body::Note(b"nothing to change".to_vec());
            return (note, "norden", Fate::Applied);
        };
        let mut other = next.clone();
        other.operations.iter_mut().for_each(|kind| kind.window_ms += 1);
        let mut foreign = bench.founded.coalition();
        foreign.0.0[0] ^= 1;
        let sign = |coalition: CoalitionId, charter: &Charter, partner: &str| {
            let proposed = Proposed { coalition, charter: charter.clone() };
            Accession::sign(&proposed, &key(partner, "root")).expect("it is admitted")
        };
        let coalition = bench.founded.coalition();
        let sound = names.iter().map(|partner| sign(coalition, &next, partner)).collect::<Vec<_>>();
        let mut amendment = match names.is_empty() {
            true => base.amendment_to(&wanted).expect("another window"),
            false => base.amendment_with(&wanted, sound.clone()).expect("all signed"),
        };
        let mut unsound = earlier;
        if let (Some(damage), Some(last)) = (damage, amendment.admit.last_mut()) {
            let partner = last.partner.name.clone();
            let before = self.given.iter().rev();
            let mut before = before.filter(|it| it.partner.name == partner && it.version != last.version);
            unsound |= damage != Damage::OldVersion;
            match (damage, before.next()) {
                (Damage::OldVersion, _) => {}
                (Damage::Reused, Some(before)) => *last = before.clone(),
                (Damage::OtherDraft, _) => *last = sign(coalition, &other, partner.as_str()),
                (Damage::OtherCoalition, _) => *last = sign(foreign, &next, partner.as_str()),
                (Damage::Forged | Damage::Reused, _) => {
                    last.signature = sign(coalition, &other, partner.as_str()).signature;
                }
                (Damage::KeyLess, _) => drop(last.delegations.pop()),
            }
        }
        self.given.extend(sound);
        let taken = names.iter().any(|partner| self.taken.contains(partner));
        // Nothing is proposed before the version that is agreed is in force.
        let waits = self.made > self.in_force;
        let fate = match (earlier || waits, taken, unsound) {
            (true, ..) | (_, false, true) => Fate::Unsound,
            (_, true, _) => Fate::Taken,
            _ => Fate::Applied,
        };
        let by = pick(rng, &FOUR);
        let signed = record(&bench.founded, by, &format!("join {}", self.number), proposing(amendment));
        if fate == Fate::Applied {
            self.proposals.push((signed.record.id(), self.made, names));
        }
        (Body::Signed(signed), "sudria", fate)
    }

    /// Something is said to two replicas of one state. What became of it, at which both agree.
    pub(super) fn step(&mut self, rng: &mut Rng, one: &mut Bench, two: &mut Bench) -> Applied {
        if rng.below(5) == 0 {
            [&mut *one, &mut *two].into_iter().for_each(|bench| bench.state.begin_batch());
            self.in_force = self.made;
        }
        let (body, carrier, fate) = self.draw(one, rng);
        let [applied, other] = [&mut *one, &mut *two].map(|bench| {
            let context = bench.context(carrier);
            bench.state.apply_bytes(&context, &body.encode())
        });
        assert_eq!(applied, other);
        let of = self.number;
        assert!(fate.is(&applied.disposition), "{fate:?} of {of}: {} {body:?}", applied.disposition);
        let fate = match fate {
            Fate::Applied => "applied",
            Fate::Unsound => "unsound",
            Fate::Taken => "taken",
            Fate::Unknown => "unknown",
            Fate::Gone => "gone",
            Fate::NoRole => "no role",
            Fate::Heard => "heard",
        };
        *self.fates.entry(fate).or_default() += 1;
        if applied.disposition == Disposition::Applied {
            self.does(&body);
        }
        self.decided(&applied.decisions);
        self.check(one);
        applied
    }

    fn does(&mut self, body: &Body) {
        let Body::Signed(signed) = body else { return };
        match &signed.record.act {
            Act::Open(_) => self.lifts.push((signed.record.id(), self.in_force)),
            Act::Key(KeyAct::Grant(chain)) => {
                let subject = chain.leaf().expect("it was applied").subject;
                self.taken.extend(NEWCOMERS.iter().filter(|it| key(it, "officer").public() == subject));
            }
            Act::Member(MemberAct::Withdraw { .. }) => {
                let left =
                    |joined: &&mut Joined| key(joined.name, "officer").public() == signed.record.signer;
                self.joined.iter_mut().filter(left).for_each(|joined| joined.left = true);
            }
            _ => {}
        }
    }

    /// Of what is agreed, only what still can be made is made.
    pub(super) fn decided(&mut self, decisions: &[Decision]) {
        for decision in decisions.iter().filter(|decision| decision.verdict == Verdict::Agreed) {
            let mut all = self.proposals.iter();
            let Some((_, base, names)) = all.find(|(id, ..)| *id == decision.operation).cloned() else {
                continue;
            };
            let free = |name: &&str| !self.taken.contains(name) && self.of(name).is_none();
            let made = base == self.made && names.iter().all(free);
            assert_eq!(decision.changed, Some(made), "{names:?}");
            *self.fates.entry(if made { "made" } else { "impossible" }).or_default() += 1;
            if made {
                self.made += 1;
                let version = self.made;
                self.joined.extend(names.into_iter().map(|name| Joined { name, version, left: false }));
            }
        }
    }

    /// Who is in, with which nodes, under which version.
    fn check(&self, bench: &Bench) {
        let names = FOUR.into_iter().chain(self.joined.iter().map(|joined| joined.name));
        let nodes = names.map(|name| (key(name, "node").public(), name)).collect::<Vec<_>>();
        let found = bench.state.nodes();
        let mut order = nodes.clone();
        order[..FOUR.len()].sort_by_key(|(_, name)| founding_place(bench, name));
        let found = found.iter().map(|(key, partner)| (*key, partner.name.as_str())).collect::<Vec<_>>();
        assert_eq!(found, order);
        assert_eq!(bench.state.charter().version, 1 + self.in_force);
        assert_eq!(bench.state.last_charter().version, 1 + self.made);
        for newcomer in NEWCOMERS {
            let officers = bench.state.officers_of(&name(newcomer));
            assert_eq!(officers.len(), usize::from(self.of(newcomer).is_some()));
        }
    }
}

fn founding_place(bench: &Bench, partner: &str) -> usize {
    let partners = bench.founded.partners();
    partners.iter().position(|it| it.name.as_str() == partner).expect("a founder")
}

fn proposing(amendment: Amendment) -> Act {
    Act::Member(MemberAct::Propose(Propose {
        kind: "amendment".parse().expect("a name"),
        change: Change::Amend(Box::new(amendment)),
        reason: "more lifts".into(),
    }))
}

#[test]
fn nobody_joins_but_by_its_own_word_on_what_is_agreed_and_nobody_speaks_before() {
    let mut fates: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..16 {
        let (mut rng, mut joins) = (Rng::new(0x6a6f_696e + seed), Joins::default());
        let mut one = Bench::four();
        let mut two = one.clone();
        let mut known = Vec::new();
        for step in 0..120 {
            if rng.below(4) == 0 {
                let signed = random_record(&one, &mut rng, &known);
                known.push(signed.record.id());
                let applied = one.apply(&signed);
                assert_eq!(two.apply(&signed), applied, "seed {seed} step {step}");
                joins.decided(&applied.decisions);
            } else {
                joins.step(&mut rng, &mut one, &mut two);
            }
            if rng.below(20) == 0 {
                let time = one.state.time().plus(rng.below(4 * HOUR_MS));
                let advanced = one.advance(time);
                assert_eq!(two.state.advance(time), advanced, "seed {seed} step {step}");
                joins.decided(&advanced.decisions);
            }
            assert_eq!(one.state.root(), two.state.root(), "seed {seed} step {step}");
            if rng.below(10) == 0 {
                one.assert_root();
                two.state = one.taken();
                joins.check(&two);
            }
        }
        joins.fates.into_iter().for_each(|(fate, count)| *fates.entry(fate).or_default() += count);
    }
    let least = |fate: &str| match fate {
        "applied" => 200,
        "heard" | "unknown" => 100,
        _ => 5,
    };
    let names = ["applied", "heard", "unknown", "unsound", "taken", "gone", "no role", "made", "impossible"];
    let few = |fate: &&&str| fates.get(**fate).copied().unwrap_or(0) < least(fate);
    assert_eq!(names.iter().filter(few).collect::<Vec<_>>(), Vec::<&&str>::new(), "{fates:?}");
}
