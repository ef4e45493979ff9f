//! Random changes of keys against a shadow that knows names, numbers and lists alone: no signature, no tree, no code of the roster.

use super::*;

/// Roots 0 to 2, officers 3 to 6, nodes 7 to 9; officer 3 and node 7 are those of the founding, officer 4 is the one that passes on.
const KEYS: usize = 10;
const DEPUTY: usize = 4;

/// A link as the shadow sees it: who, whom, for how many days, and whether it may be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    from: usize,
    to: usize,
    days: u64,
    passes_on: bool,
}

#[derive(Debug, Clone)]
struct Given {
    lines: Vec<Line>,
    since: u64,
    /// The index at which it ended.
    until: Option<u64>,
}

/// What is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Key(usize),
    Line(Line),
}

impl What {
    fn is(self, line: &Line) -> bool {
        match self {
            Self::Key(key) => line.to == key,
            Self::Line(one) => one == *line,
        }
    }
}

#[derive(Debug, Clone)]
struct Shadow {
    given: Vec<Given>,
    gone: Vec<What>,
    /// The roots so far, the present one last.
    roots: Vec<usize>,
}

impl Shadow {
    fn root(&self) -> usize {
        *self.roots.last().expect("one at least")
    }

    /// Whether it is taken.
    fn grant(&mut self, index: u64, lines: &[Line], forged: bool, day: u64) -> bool {
        let gone = |line: &Line| self.gone.iter().any(|what| what.is(line));
        let same = self.given.iter().any(|it| it.until.is_none() && it.lines == lines);
        let narrows = lines.windows(2).all(|two| two[1].days <= two[0].days && two[0].passes_on);
        let in_time = lines.iter().all(|line| line.days > day);
        let from_root = lines[0].from == self.root();
        let taken = !forged && from_root && narrows && in_time && !lines.iter().any(gone) && !same;
        if taken {
            self.given.push(Given { lines: lines.to_vec(), since: index, until: None });
        }
        taken
    }

    fn revoke(&mut self, index: u64, by: usize, what: What, forged: bool) -> bool {
        let root = self.root();
        let former = self.roots.contains(&by) && by != root;
        let hit = |it: &Given| {
            let at = it.lines.iter().position(|line| what.is(line));
            at.is_some_and(|at| by == root || it.lines[..=at].iter().any(|line| line.from == by))
        };
        let marks = matches!(what, What::Key(_)) && !self.gone.contains(&what);
        let bears = |it: &Given| hit(it) && (it.until.is_none() || marks);
        let taken = !forged && !former && self.given.iter().any(bears);
        if taken {
            for it in self.given.iter_mut().filter(|it| it.until.is_none() && hit(it)) {
                it.until = Some(index);
            }
            self.gone.push(what);
        }
        taken
    }

    fn rotate(&mut self, number: usize, old: usize, new: usize, forged: bool) -> bool {
        let is_free = new < 3 && !self.roots.contains(&new);
        let taken = !forged && number == self.roots.len() && old == self.root() && is_free;
        if taken {
            self.roots.push(new);
        }
        taken
    }

    fn acts(&self, key: usize, index: u64, day: u64) -> bool {
        self.given.iter().any(|it| {
            it.lines.last().is_some_and(|last| last.to == key)
                && it.since < index
                && it.until.is_none_or(|until| until > index)
                && it.lines.iter().all(|line| line.days > day)
        })
    }
}

const DAY_MS: u64 = 86_400_000;

struct Cast {
    keys: Vec<SecretKey>,
    founded: Founded,
}

impl Cast {
    fn new(founded: &Founded) -> Self {
        let purposes = ["root", "root 1", "root 2", "officer", "o 1", "o 2", "o 3", "node", "n 1", "n 2"];
        let keys = purposes.iter().map(|purpose| key("sudria", purpose)).collect::<Vec<_>>();
        assert_eq!(public(&keys).len(), KEYS);
        Self { keys, founded: founded.clone() }
    }

    fn delegation(&self, line: Line) -> Delegation {
        let give = if line.to < 7 { Capability::Officer } else { Capability::Node };
        let mut delegation = link(&self.founded, &self.keys[line.from], &self.keys[line.to], give);
        // The founding's are those of thirty days.
        delegation.not_after = Time(CREATED.0 + line.days * DAY_MS);
        if line.passes_on {
            delegation.capabilities.insert(Capability::Node);
            delegation.depth = 1;
        }
        delegation
    }

    fn chain(&self, lines: &[Line], forged: bool) -> Chain {
        let links = lines.iter().enumerate().map(|(at, line)| {
            let forged = forged && at + 1 == lines.len();
            let signer = &self.keys[if forged { 9 - line.from } else { line.from }];
            (self.delegation(*line), signer)
        });
        chain(links)
    }
}

fn line(rng: &mut Rng, from: usize, to: usize, passes_on: bool) -> Line {
    Line { from, to, days: [10, 30, 60][rng.below(3) as usize], passes_on }
}

#[test]
fn no_key_acts_but_as_the_log_gave_it_at_that_index() {
    let (mut taken, mut refused, mut acted) = (0, 0, 0);
    for seed in 0..60 {
        let rng = &mut Rng::new(seed);
        let mut bench = Bench::four();
        let cast = Cast::new(&bench.founded.clone());
        let mut twin = bench.clone();
        let founding = |to| Given {
            lines: vec![Line { from: 0, to, days: 30, passes_on: false }],
            since: 0,
            until: None,
        };
        let mut shadow = Shadow { given: vec![founding(3), founding(7)], gone: vec![], roots: vec![0] };
        let (mut copy, mut day) = (BTreeMap::<Hash, Vec<u8>>::new(), 0);
        for step in 0..80 {
            let forged = rng.below(6) == 0;
            let index = bench.index + 1;
            let choice = rng.below(10);
            let (act, expected) = match choice {
                0..=4 => {
                    let root = rng.below(3) as usize;
                    let to = 3 + rng.below(7) as usize;
                    let lines = if rng.below(3) == 0 && to != DEPUTY {
                        let passes_on = rng.below(8) > 0;
                        vec![line(rng, root, DEPUTY, passes_on), line(rng, DEPUTY, to, false)]
                    } else {
                        let passes_on = to == DEPUTY && rng.below(2) == 0;
                        vec![line(rng, root, to, passes_on)]
                    };
                    let act = grant(&cast.chain(&lines, forged));
                    (act, shadow.grant(index, &lines, forged, day))
                }
                5..=7 => {
                    let by = [0, 1, 2, DEPUTY, 3][rng.below(5) as usize];
                    let some = &shadow.given[rng.below(shadow.given.len() as u64) as usize].lines;
                    let what = match rng.below(2) {
                        0 => What::Key(3 + rng.below(7) as usize),
                        _ => What::Line(some[rng.below(some.len() as u64) as usize]),
                    };
                    let target = match what {
                        What::Key(key) => Target::Key(cast.keys[key].public()),
                        What::Line(line) => Target::Delegation(cast.delegation(line).hash()),
                    };
                    let mut signed = take_back(&cast.founded, &cast.keys[by], target);
                    if forged {
                        signed.revocation.reason.push('x');
                    }
                    (Act::Key(KeyAct::Revoke(Box::new(signed))), shadow.revoke(index, by, what, forged))
                }
                8 => {
                    let number = 1 + rng.below(3) as u32;
                    let (old, new) = (rng.below(3) as usize, rng.below(4) as usize);
                    let mut signed = rotation(&cast.founded, number, &cast.keys[old], &cast.keys[new]);
                    signed.sign(&cast.keys[old]);
                    if !forged {
                        signed.sign(&cast.keys[new]);
                    }
                    let expected = shadow.rotate(number as usize, old, new, forged);
                    (Act::Key(KeyAct::Rotate(Box::new(signed))), expected)
                }
                _ => {
                    day = (day + rng.below(8)).min(25);
                    for state in [&mut bench.state, &mut twin.state] {
                        state.advance(Time(CREATED.0 + day * DAY_MS + 1000));
                    }
                    continue;
                }
            };
            let carrier = ["norden", "estmark", "vigil"][rng.below(3) as usize];
            let signed = record(&cast.founded, carrier, &format!("{step}"), act);
            let checked = bench.state.check(&signed, bench.state.time());
            let disposition = bench.apply(&signed).disposition;
            assert_eq!(twin.apply(&signed).disposition, disposition);
            let applied = disposition == Disposition::Applied;
            assert_eq!(applied, expected, "seed {seed} step {step}: {disposition} {shadow:?}");
            assert_eq!(checked.is_ok(), applied);
            if applied {
                taken += 1
            } else {
                refused += 1
            }
            // Who acts, officers by what they sign, nodes by what they carry.
            for who in 3..KEYS {
                let key = &cast.keys[who];
                let said = match who {
                    0..7 => bench.opens(key, &format!("{step}")),
                    _ => bench.notes(key),
                };
                let expected = shadow.acts(who, bench.index, day);
                assert_eq!(
                    said == Disposition::Applied,
                    expected,
                    "seed {seed} step {step} key {who}: {said}"
                );
                acted += usize::from(expected);
                let again = match who {
                    0..7 => twin.opens(key, &format!("{step}")),
                    _ => twin.notes(key),
                };
                assert_eq!(again, said);
            }
            assert_eq!(bench.state.root(), twin.state.root());
            if rng.below(8) == 0 {
                bench.assert_root();
                // It goes on as its original.
                twin.state = bench.copied(&mut copy);
            }
        }
    }
    assert!(taken > 500 && refused > 500 && acted > 500, "{taken} taken, {refused} refused, {acted} acted");
}
