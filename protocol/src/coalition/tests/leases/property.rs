//! Two sides that could not hear each other, against a shadow that knows the order and the words of the charter alone.

use super::*;

/// What is in an operation, for the shadow: who opened it, what it claims, whether it was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// The opener, the corridor, whether it is committed with it.
    Opens(usize, usize, bool),
    /// Who, what deed's operation, in which role, what.
    Says(usize, usize, Role, Stance),
    /// Who commits which deed's operation.
    Commits(usize, usize),
}

const CORRIDORS: [&str; 4] = ["alfa", "bravo", "charlie", "delta"];
/// Whose, by the words of the charter above.
const HOLDERS: [Option<&str>; 4] = [None, Some("sudria"), Some("estmark"), Some("estmark")];
const ACTORS: [&str; 4] = ["norden", "sudria", "estmark", "vigil"];

/// What follows from the order alone, by the words of the documentation.
#[derive(Debug, Default)]
struct Shadow {
    /// Each operation that there is: its opener, its corridor, whether it has that, its words and how it ended.
    operations: BTreeMap<usize, ShadowOperation>,
    /// Each commitment: of which operation, and its end.
    commitments: BTreeMap<usize, (usize, Option<Committed>)>,
    by: BTreeMap<(usize, usize), usize>,
}

#[derive(Debug, Clone)]
struct ShadowOperation {
    corridor: usize,
    has: bool,
    said: BTreeMap<usize, (Role, Stance)>,
    verdict: Option<Verdict>,
}

impl Shadow {
    fn holder(&self, corridor: usize) -> Option<usize> {
        self.operations.iter().find(|(_, it)| it.corridor == corridor && it.has).map(|(number, _)| *number)
    }

    fn take(&mut self, number: usize, deed: Deed) {
        match deed {
            Deed::Opens(who, corridor, committed) => {
                let own = HOLDERS[corridor].is_none_or(|holder| holder == ACTORS[who]);
                let free = own && self.holder(corridor).is_none();
                if free || committed {
                    let verdict = (!free).then_some(Verdict::Conflicted);
                    let said = BTreeMap::new();
                    self.operations.insert(number, ShadowOperation { corridor, has: free, said, verdict });
                    if committed {
                        self.commitments.insert(number, (number, verdict.map(|_| Committed::Conflicted)));
                        self.by.insert((who, number), number);
                    }
                }
            }
            Deed::Says(who, on, role, stance) => {
                let Some(operation) = self.operations.get_mut(&on).filter(|it| it.verdict.is_none()) else {
                    return;
                };
                if (role == Lead) != (ACTORS[who] == "norden") || operation.said.contains_key(&who) {
                    return;
                }
                operation.said.insert(who, (role, stance));
                let endorses =
                    |role| operation.said.values().filter(|said| **said == (role, Endorse)).count();
                if endorses(Lead) == 1 && endorses(Supporting) >= 1 {
                    operation.verdict = Some(Verdict::Agreed);
                    self.settle(on);
                }
            }
            Deed::Commits(who, on) => {
                let Some(operation) = self.operations.get(&on) else { return };
                if HOLDERS[operation.corridor] == Some(ACTORS[who]) && !self.by.contains_key(&(who, on)) {
                    self.commitments.insert(number, (on, None));
                    self.by.insert((who, on), number);
                    self.settle(on);
                }
            }
        }
    }

    fn settle(&mut self, on: usize) {
        let Some(verdict) = self.operations[&on].verdict else { return };
        for (number, (operation, end)) in &mut self.commitments {
            if *operation == on && end.is_none() {
                *end = Some(match verdict {
                    Verdict::Agreed => Committed::Confirmed,
                    Verdict::Conflicted if *number == on => Committed::Conflicted,
                    _ => Committed::Superseded,
                });
            }
        }
    }

    /// The windows end.
    fn close(&mut self) {
        let open = self.operations.iter().filter(|(_, it)| it.verdict.is_none()).map(|(number, _)| *number);
        for number in open.collect::<Vec<_>>() {
            let operation = self.operations.get_mut(&number).expect("there");
            let vetoed = operation.said.values().any(|said| *said == (Lead, Object));
            operation.verdict = Some(if vetoed { Verdict::Failed } else { Verdict::Expired });
            operation.has = false;
            self.settle(number);
        }
    }
}

/// Deeds of one side; each names only what that side knows: what both knew before, and its own.
fn deeds(rng: &mut Rng, first: usize, shared: &[usize], actors: &[usize]) -> Vec<Deed> {
    let mut all = Vec::new();
    let mut known = shared.to_vec();
    for number in first..first + 10 {
        let who = actors[usize::try_from(rng.below(actors.len() as u64)).expect("small")];
        let on = known.get(usize::try_from(rng.below(known.len().max(1) as u64)).expect("small")).copied();
        let deed = match (rng.below(5), on) {
            (0 | 1, _) | (_, None) => {
                known.push(number);
                Deed::Opens(who, usize::try_from(rng.below(4)).expect("small"), rng.below(3) > 0)
            }
            (2, Some(on)) => Deed::Commits(who, on),
            (_, Some(on)) => {
                let role = if ACTORS[who] == "norden" { Lead } else { Supporting };
                Deed::Says(who, on, role, if rng.below(4) == 0 { Object } else { Endorse })
            }
        };
        all.push(deed);
    }
    all
}

#[test]
fn two_sides_that_could_not_hear_each_other_come_to_one_state_in_which_everything_committed_has_one_end() {
    let (mut confirmed, mut superseded, mut conflicted) = (0, 0, 0);
    for seed in 0..120 {
        let mut rng = Rng::new(seed);
        // What was ordered before the partition, and what each side said then.
        let before = deeds(&mut rng, 0, &[], &[0, 1, 2, 3]);
        let opened = (0..10).filter(|at| matches!(before[*at], Deed::Opens(..))).collect::<Vec<_>>();
        let split = 1 + usize::try_from(rng.below(3)).expect("small");
        let mut actors = [0, 1, 2, 3];
        rng.shuffle(&mut actors);
        let sides =
            [deeds(&mut rng, 10, &opened, &actors[..split]), deeds(&mut rng, 20, &opened, &actors[split..])];
        let all = before.iter().chain(&sides[0]).chain(&sides[1]).copied().collect::<Vec<_>>();
        let mut bench = leased();
        let mut signed: Vec<SignedRecord> = Vec::new();
        for (number, deed) in all.iter().enumerate() {
            let (who, act) = match deed {
                Deed::Opens(who, corridor, false) => {
                    (*who, Act::Open(lift(&number.to_string(), CORRIDORS[*corridor])))
                }
                Deed::Opens(who, corridor, true) => (*who, alone(&number.to_string(), CORRIDORS[*corridor])),
                Deed::Commits(who, on) => (*who, commits(signed[*on].record.id())),
                Deed::Says(who, on, role, stance) => {
                    let operation = signed[*on].record.id();
                    let (role, stance) = (*role, *stance);
                    let word =
                        Attest { operation, role, stance, caveat: None, evidence: vec![], supersedes: None };
                    (*who, Act::Attest(word))
                }
            };
            signed.push(record(&bench.founded, ACTORS[who], &number.to_string(), act));
        }
        let mut shadow = Shadow::default();
        for (number, deed) in before.iter().enumerate() {
            bench.apply(&signed[number]);
            shadow.take(number, *deed);
        }
        // Each side sees its own words beside what is ordered; that changes nothing.
        let root = bench.state.root();
        for side in [10..20, 20..30] {
            bench.state.provisional(&signed[side], bench.state.time());
        }
        assert_eq!(bench.state.root(), root, "seed {seed}");
        // Then all is ordered, in any order that keeps each side's.
        let (mut left, mut right) = ((10..20).peekable(), (20..30).peekable());
        let mut order = Vec::new();
        while left.peek().is_some() || right.peek().is_some() {
            let from_left = right.peek().is_none() || (left.peek().is_some() && rng.below(2) == 0);
            order.extend(if from_left { left.next() } else { right.next() });
        }
        let mut other = bench.clone();
        let mut settled: BTreeMap<RecordId, CommitmentEnd> = BTreeMap::new();
        let mut agreed: BTreeMap<RecordId, Decision> = BTreeMap::new();
        for number in order {
            bench.apply(&signed[number]);
            other.apply(&signed[number]);
            shadow.take(number, all[number]);
            check(&bench, &mut settled, &mut agreed, seed);
        }
        let end = bench.state.time().plus(7 * HOUR_MS);
        bench.state.advance(end);
        other.state.advance(end);
        shadow.close();
        check(&bench, &mut settled, &mut agreed, seed);
        bench.assert_root();
        assert_eq!(other.state.root(), bench.state.root(), "seed {seed}");
        assert_eq!(bench.retaken().root(), bench.state.root(), "seed {seed}");
        // The state machine says what the shadow says, of everything.
        for (number, signed) in signed.iter().enumerate() {
            let id = signed.record.id();
            let found = shadow.operations.get(&number).and_then(|it| it.verdict);
            let decided =
                bench.state.operation(&id).map(|_| bench.verdict(id).expect("all windows have ended"));
            assert_eq!(decided, found, "seed {seed} deed {number}: {:?}", all[number]);
            let found = shadow.commitments.get(&number).map(|(_, end)| end.expect("everything is decided"));
            let ended = bench.state.commitment(&id).map(|it| it.end.expect("everything is decided").how);
            assert_eq!(ended, found, "seed {seed} deed {number}: {:?}", all[number]);
            if let Some(conflict) =
                bench.state.commitment(&id).filter(|_| ended == Some(Committed::Conflicted))
            {
                let dispute = conflict.end.and_then(|end| end.dispute).expect("a dispute");
                let dispute = bench.state.dispute(&dispute).expect("opened");
                let parties: [&PartnerName; 2] = [&conflict.partner, &dispute.opened_by];
                assert!(parties.iter().all(|party| !dispute.panel.contains(party)), "seed {seed}");
            }
            match ended {
                Some(Committed::Confirmed) => confirmed += 1,
                Some(Committed::Superseded) => superseded += 1,
                Some(Committed::Conflicted) => conflicted += 1,
                None => {}
            }
        }
    }
    assert!(confirmed > 20 && superseded > 200 && conflicted > 200, "{confirmed} {superseded} {conflicted}");
}

/// Nothing that has ended ends otherwise, and of each corridor one operation is agreed at most.
fn check(
    bench: &Bench,
    settled: &mut BTreeMap<RecordId, CommitmentEnd>,
    agreed: &mut BTreeMap<RecordId, Decision>,
    seed: u64,
) {
    for Commitment { id, end, .. } in bench.state.commitments() {
        if let Some(end) = end {
            assert_eq!(settled.entry(*id).or_insert(*end), end, "seed {seed}: an end is final");
        } else {
            assert!(!settled.contains_key(id), "seed {seed}");
        }
    }
    let mut winners = BTreeSet::new();
    for operation in bench.state.operations() {
        if let Some(decision) = &operation.decision {
            let first = agreed.entry(operation.id).or_insert_with(|| decision.clone());
            assert_eq!(first, decision, "seed {seed}: a decision is final");
        }
        for claim in &operation.claims {
            if operation.over().is_none() {
                assert!(winners.insert(claim.values.clone()), "seed {seed}: one winner of {claim}");
                let holder = CORRIDORS.iter().position(|it| claim.values == [*it]).and_then(|at| HOLDERS[at]);
                assert!(
                    holder.is_none_or(|holder| operation.opened_by == name(holder)),
                    "seed {seed}: {claim}"
                );
            }
        }
    }
}
