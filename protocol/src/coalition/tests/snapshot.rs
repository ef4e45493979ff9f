//! The state in pieces.

use super::joins::Joins;
use super::order::random_record;
use super::*;
use crate::feed::BodyBytes;

/// A copy that follows a state by its changes.
#[derive(Default)]
struct Copy {
    map: map::Map,
    items: BTreeMap<Hash, Vec<u8>>,
}

impl Copy {
    fn follow(&mut self, state: &mut State) {
        let Changes { map, items } = state.take_changes();
        for (key, bytes) in items {
            match bytes {
                Some(bytes) => drop(self.items.insert(key, bytes)),
                None => drop(self.items.remove(&key)),
            }
        }
        self.map = map;
    }

    /// All pages of about `room` bytes.
    fn pages(&self, room: u64) -> Vec<Page> {
        let (mut pages, mut after) = (Vec::new(), None);
        while let Some(part) = self.map.part(after.as_ref(), room) {
            let inside = self.items.iter().filter(|(key, _)| after.is_none_or(|after| **key > after));
            let inside = inside.take_while(|(key, _)| **key <= part.last);
            let items: Vec<_> = inside.map(|(_, bytes)| BodyBytes(bytes.clone())).collect();
            assert_eq!(Some(part.hash), part_hash(items.iter().map(|item| item.0.as_slice())));
            pages.push(Page { branches: part.branches, items });
            after = Some(part.last);
        }
        pages
    }
}

#[test]
fn a_replica_that_takes_the_state_in_pages_goes_on_as_if_it_had_applied_all() {
    for seed in 0..8 {
        let mut rng = Rng::new(seed);
        let mut one = Bench::four();
        let mut two = one.clone();
        let (mut copy, mut known) = (Copy::default(), Vec::new());
        // Partners join meanwhile, by draws of their own.
        let (mut joins, joining) = (Joins::default(), &mut Rng::new(2_000 + seed));
        for step in 0..200 {
            if joining.below(3) == 0 {
                joins.step(joining, &mut one, &mut two);
            }
            let signed = random_record(&one, &mut rng, &known);
            if matches!(signed.record.act, Act::Open(_)) || rng.below(3) == 0 {
                known.push(signed.record.id());
            }
            if rng.below(10) == 0 {
                let time = one.state.time().plus(rng.below(2 * HOUR_MS));
                let advanced = one.advance(time);
                assert_eq!(advanced, two.state.advance(time), "seed {seed} step {step}");
                joins.decided(&advanced.decisions);
            }
            let applied = one.apply(&signed);
            assert_eq!(applied, two.apply(&signed), "seed {seed} step {step}");
            joins.decided(&applied.decisions);
            assert_eq!(one.state.root(), two.state.root(), "seed {seed} step {step}");
            if rng.below(20) == 0 {
                copy.follow(&mut one.state);
                assert_eq!(copy.map.root(), one.state.root());
                let mut taking = Taking::new(one.state.root());
                for page in copy.pages(200 + rng.below(5_000)) {
                    assert!(!taking.is_complete());
                    taking.take(&page).expect("the next page");
                }
                assert!(taking.is_complete());
                let (state, items) = taking.finish(&Arc::new(one.founded.clone())).expect("all pages");
                assert_eq!(items, copy.items, "seed {seed} step {step}");
                assert_eq!(state.changes(), 0);
                two.state = state;
                two.assert_root();
            }
        }
    }
}

#[test]
fn what_is_no_next_page_is_refused_and_changes_nothing() {
    let mut bench = Bench::four();
    for _ in 0..40 {
        let id = bench.open();
        bench.say("sudria", id, Supporting, Endorse);
    }
    let mut copy = Copy::default();
    copy.follow(&mut bench.state);
    let pages = copy.pages(700);
    assert!(pages.len() > 5, "{}", pages.len());
    let mut taking = Taking::new(bench.state.root());
    taking.take(&pages[0]).expect("the first");
    let mut refused = |page: &Page, why| assert_eq!(taking.take(page), Err(why));
    refused(&pages[0], PageError::Root);
    refused(&pages[2], PageError::Root);
    let changed = |change: &dyn Fn(&mut Page)| {
        let mut page = pages[1].clone();
        change(&mut page);
        page
    };
    refused(&changed(&|page| drop(page.items.pop())), PageError::Root);
    refused(&changed(&|page| page.items.clear()), PageError::Root);
    refused(&changed(&|page| page.items.extend(pages[2].items.clone())), PageError::Root);
    refused(
        &changed(&|page| page.items.push(page.items[page.items.len() - 1].clone())),
        PageError::Malformed,
    );
    refused(&changed(&|page| page.items.swap(0, 1)), PageError::Malformed);
    refused(&changed(&|page| page.items[0].0.push(0)), PageError::Malformed);
    refused(&changed(&|page| page.branches.push((9, Hash::default()))), PageError::Root);
    for page in &pages[1..] {
        assert!(!taking.is_complete());
        taking.take(page).expect("nothing has changed");
    }
    assert_eq!(taking.taken(), copy.items.len());
    let founded = Arc::new(bench.founded.clone());
    let (state, _) = taking.finish(&founded).expect("all pages");
    assert_eq!(state.root(), bench.state.root());
    // Items that lack one are no state, whatever root they have.
    let without = copy.items.values().skip(1).map(Vec::as_slice);
    assert!(State::of_items(&founded, without, &bench.state.root()).is_err());
}
