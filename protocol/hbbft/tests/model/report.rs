//! Runs the checker over a model and tells what it found, in the output of the test and by failing it.

use std::fmt;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

/// What the checker says of a model.
pub(crate) struct Report<A> {
    pub(crate) states: usize,
    transitions: usize,
    depth: usize,
    /// Properties that fail, each with a shortest way there.
    refuted: Vec<(&'static str, Vec<A>)>,
    /// Situations that must be reachable and are not.
    missing: Vec<&'static str>,
}

/// All properties hold in every state, and what must be reachable is.
pub(crate) fn confirm<M>(name: &str, model: M) -> Report<M::Action>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + fmt::Debug + std::hash::Hash + PartialEq + Send + Sync,
    M::Action: Clone + fmt::Debug + PartialEq + Send + Sync,
{
    let report = check(model);
    println!("{name}: {report}");
    assert!(report.refuted.is_empty(), "{name}: {report}");
    assert!(report.missing.is_empty(), "{name}: {report}");
    report
}

/// This property fails in some state.
pub(crate) fn refute<M>(name: &str, model: M, property: &str)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + fmt::Debug + std::hash::Hash + PartialEq + Send + Sync,
    M::Action: Clone + fmt::Debug + PartialEq + Send + Sync,
{
    let report = check(model);
    println!("{name}: {report}");
    let refuted = report.refuted.iter().any(|(name, _)| *name == property);
    assert!(refuted, "{name}: {property:?} holds: {report}");
}

/// Explores every state, or all up to the first violation.
fn check<M>(model: M) -> Report<M::Action>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + fmt::Debug + std::hash::Hash + PartialEq + Send + Sync,
    M::Action: Clone + fmt::Debug + PartialEq + Send + Sync,
{
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let mut found = checker.discoveries();
    let (mut refuted, mut missing) = (Vec::new(), Vec::new());
    for property in checker.model().properties() {
        let path = found.remove(property.name);
        match (property.expectation, path) {
            (Expectation::Sometimes, None) => missing.push(property.name),
            (Expectation::Sometimes, Some(_)) | (_, None) => {}
            (_, Some(path)) => refuted.push((property.name, path.into_actions())),
        }
    }
    Report {
        states: checker.unique_state_count(),
        transitions: checker.state_count(),
        depth: checker.max_depth(),
        refuted,
        missing,
    }
}

impl<A: fmt::Debug> fmt::Display for Report<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} states, {} transitions, depth {}", self.states, self.transitions, self.depth)?;
        for (name, path) in &self.refuted {
            write!(f, "\n  refuted: {name}, in {} steps: {path:?}", path.len())?;
        }
        if !self.missing.is_empty() && self.refuted.is_empty() {
            write!(f, "\n  not reachable: {:?}", self.missing)?;
        }
        Ok(())
    }
}
