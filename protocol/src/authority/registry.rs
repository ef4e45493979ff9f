//! Named authorities, and whether they have acted.
//!
//! Guarantees: evaluation ends and visits each authority at most once. Where a registry is made for the first time, names resolve,
//! nothing depends on itself, and every authority can act if all sign, so a deficit can be made good.

use std::collections::{BTreeMap, BTreeSet};

use super::deficit::{Deficit, Lack, Shortfall};
use super::{Authority, AuthorityError, Expression, Threshold, bound};
use crate::charter::AuthorityName;
use crate::identity::PublicKey;

/// Most authorities that are known to one charter: one for each partner, and as many others.
pub const MAX_AUTHORITIES: usize = 128;
/// Most thresholds and names between an authority and a key that it depends on.
pub const MAX_RESOLVED_DEPTH: usize = 16;

/// The authorities that names stand for, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    authorities: Vec<Authority>,
    /// The names of the keys that are an authority alone.
    names: BTreeMap<PublicKey, AuthorityName>,
}

impl Registry {
    /// The registry of these authorities, in any order, none or many.
    pub fn new(mut authorities: Vec<Authority>) -> Result<Self, AuthorityError> {
        bound("authorities", authorities.len(), 0, MAX_AUTHORITIES)?;
        authorities.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = authorities.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(AuthorityError::SameName { name: pair[0].name.clone() });
        }
        authorities.iter().try_for_each(Authority::check)?;
        let registry = Self::standing(authorities);
        let mut heights = BTreeMap::new();
        for authority in &registry.authorities {
            registry.height(authority, &mut heights)?;
        }
        match registry.unsatisfiable().pop_first() {
            Some((authority, deficit)) => {
                Err(AuthorityError::Never { authority, deficit: deficit.to_string() })
            }
            None => Ok(registry),
        }
    }

    /// The registry of authorities each of which was sound where it came from, whatever has become of their keys since. One that
    /// cannot act any more is satisfied by nobody, and nothing else is the worse for it.
    pub fn standing(mut authorities: Vec<Authority>) -> Self {
        authorities.sort_by(|a, b| a.name.cmp(&b.name));
        let mut names = BTreeMap::new();
        for authority in &authorities {
            if let Expression::Key(key) = &authority.expression {
                names.entry(*key).or_insert_with(|| authority.name.clone());
            }
        }
        Self { authorities, names }
    }

    /// Those that not even all keys together satisfy, and what they lack.
    pub fn unsatisfiable(&self) -> BTreeMap<AuthorityName, Deficit> {
        let everybody = self.keys();
        let mut evaluation = Evaluation::new(self, &everybody);
        let mut found = BTreeMap::new();
        for authority in &self.authorities {
            if let Err(lack) = evaluation.of(&authority.expression) {
                found.insert(authority.name.clone(), evaluation.deficit(lack));
            }
        }
        found
    }

    /// Thresholds and names down to the farthest key. A height of `None` is still being measured.
    fn height<'a>(
        &'a self,
        authority: &'a Authority,
        heights: &mut BTreeMap<&'a AuthorityName, Option<usize>>,
    ) -> Result<usize, AuthorityError> {
        match heights.get(&authority.name) {
            Some(Some(height)) => return Ok(*height),
            Some(None) => return Err(AuthorityError::Cycle { authority: authority.name.clone() }),
            None => drop(heights.insert(&authority.name, None)),
        }
        let height = 1 + self.height_of(&authority.expression, authority, heights)?;
        bound("thresholds and names down to a key", height, 1, MAX_RESOLVED_DEPTH)?;
        heights.insert(&authority.name, Some(height));
        Ok(height)
    }

    fn height_of<'a>(
        &'a self,
        expression: &'a Expression,
        whose: &'a Authority,
        heights: &mut BTreeMap<&'a AuthorityName, Option<usize>>,
    ) -> Result<usize, AuthorityError> {
        match expression {
            Expression::Key(_) => Ok(0),
            Expression::Named(name) => {
                let unknown =
                    || AuthorityError::Unknown { authority: whose.name.clone(), name: name.clone() };
                self.height(self.get(name.as_str()).ok_or_else(unknown)?, heights)
            }
            Expression::Threshold(threshold) => {
                threshold.members.iter().try_fold(0, |height: usize, member| {
                    Ok(height.max(1 + self.height_of(&member.expression, whose, heights)?))
                })
            }
        }
    }

    /// The authority of this name.
    pub fn get(&self, name: &str) -> Option<&Authority> {
        self.authorities
            .binary_search_by(|authority| authority.name.as_str().cmp(name))
            .ok()
            .map(|at| &self.authorities[at])
    }

    /// All of them, sorted by name.
    pub fn authorities(&self) -> &[Authority] {
        &self.authorities
    }

    /// The authority that this key is alone.
    pub fn name_of(&self, key: &PublicKey) -> Option<&AuthorityName> {
        self.names.get(key)
    }

    /// An expression with the names of keys that are an authority alone, to be shown.
    pub fn named(&self, expression: &Expression) -> Expression {
        expression.with_names_of_keys(&|key| self.name_of(key).cloned())
    }

    /// Every key that stands in any of the expressions.
    pub fn keys(&self) -> BTreeSet<PublicKey> {
        self.authorities.iter().flat_map(|authority| keys_in(&authority.expression)).collect()
    }

    /// Every key that has a voice in `expression`, directly or through the authorities that it names.
    pub fn voices_in(&self, expression: &Expression) -> BTreeSet<PublicKey> {
        let mut visited = BTreeSet::new();
        let mut keys = BTreeSet::new();
        let mut open = vec![expression];
        while let Some(expression) = open.pop() {
            for leaf in expression.leaves() {
                match leaf {
                    Expression::Key(key) => drop(keys.insert(*key)),
                    Expression::Named(name) if visited.insert(name) => {
                        open.extend(self.get(name.as_str()).map(|authority| &authority.expression));
                    }
                    _ => {}
                }
            }
        }
        keys
    }

    /// Whether `signers` satisfy `expression`: then those of them who counted, else what is missing.
    ///
    /// A key is satisfied by its signature, a name by what the authority of that name is. A threshold of k is satisfied if k
    /// of its satisfied members, all required ones among them, can each be given a signer of its own: one who counted
    /// in that member and is given to no other. So nobody is two of k, however many authorities they have a voice in.
    pub fn evaluate(
        &self,
        expression: &Expression,
        signers: &BTreeSet<PublicKey>,
    ) -> Result<BTreeSet<PublicKey>, Deficit> {
        let mut evaluation = Evaluation::new(self, signers);
        evaluation.of(expression).map_err(|lack| evaluation.deficit(lack))
    }
}

fn keys_in(expression: &Expression) -> Vec<PublicKey> {
    let key = |leaf: &Expression| match leaf {
        Expression::Key(key) => Some(*key),
        _ => None,
    };
    expression.leaves().into_iter().filter_map(key).collect()
}

/// Those who counted, or what is missing.
type Outcome = Result<BTreeSet<PublicKey>, Lack>;

struct Evaluation<'a> {
    registry: &'a Registry,
    signers: &'a BTreeSet<PublicKey>,
    /// What each authority came to; each is evaluated once.
    known: BTreeMap<&'a AuthorityName, Outcome>,
}

impl<'a> Evaluation<'a> {
    fn new(registry: &'a Registry, signers: &'a BTreeSet<PublicKey>) -> Self {
        Self { registry, signers, known: BTreeMap::new() }
    }

    fn of(&mut self, expression: &Expression) -> Outcome {
        match expression {
            Expression::Key(key) if self.signers.contains(key) => Ok(BTreeSet::from([*key])),
            Expression::Key(key) => Err(Lack::Key { key: *key, name: self.registry.name_of(key).cloned() }),
            Expression::Named(name) => self.of_name(name),
            Expression::Threshold(threshold) => self.of_threshold(threshold),
        }
    }

    fn of_name(&mut self, name: &AuthorityName) -> Outcome {
        let Some(authority) = self.registry.get(name.as_str()) else {
            return Err(Lack::Unknown(name.clone()));
        };
        if !self.known.contains_key(name) {
            // What depends on itself is satisfied by nobody.
            self.known.insert(&authority.name, Err(Lack::Named(name.clone())));
            let outcome = self.of(&authority.expression);
            self.known.insert(&authority.name, outcome);
        }
        match self.known.get(name) {
            Some(Ok(voices)) => Ok(voices.clone()),
            _ => Err(Lack::Named(name.clone())),
        }
    }

    fn of_threshold(&mut self, threshold: &Threshold) -> Outcome {
        let mut required = Vec::new();
        let mut of = Vec::new();
        let mut satisfied = Vec::new();
        for member in &threshold.members {
            match (self.of(&member.expression), member.required) {
                (Ok(voices), _) => satisfied.push((member, voices)),
                (Err(lack), true) => required.push(lack),
                (Err(lack), false) => of.push(lack),
            }
        }
        // Augmenting never takes a member's signer away without giving it another, so the required ones go first.
        satisfied.sort_by_key(|(member, _)| !member.required);
        let mut given = BTreeMap::new();
        let mut counted = 0u32;
        for at in 0..satisfied.len() {
            let mut tried = BTreeSet::new();
            if augment(at, &satisfied, &mut given, &mut tried) {
                counted += 1;
                continue;
            }
            // These share too few signers (Hall's violator): one more of any of them frees one.
            let sharing = tried.iter().filter_map(|signer| given.get(signer).copied()).chain([at]);
            let another = self.another(sharing.map(|at| &satisfied[at].0.expression).collect());
            match (satisfied[at].0.required, another) {
                (true, mut lacks) if lacks.len() == 1 => required.append(&mut lacks),
                (true, of) => required.push(Lack::Threshold(Shortfall { missing: 1, of, required: vec![] })),
                (false, lacks) => {
                    for lack in lacks {
                        if !of.contains(&lack) {
                            of.push(lack);
                        }
                    }
                }
            }
        }
        if counted >= threshold.needs && required.is_empty() {
            return Ok(satisfied.into_iter().flat_map(|(_, voices)| voices).collect());
        }
        let due = u32::try_from(required.len()).unwrap_or(u32::MAX);
        let missing = threshold.needs.saturating_sub(counted).saturating_sub(due);
        if missing == 0 {
            of.clear();
        }
        Err(Lack::Threshold(Shortfall { missing, of, required }))
    }

    /// Another signer of any of these, where there is one who has not signed.
    fn another(&self, members: BTreeSet<&Expression>) -> Vec<Lack> {
        members
            .into_iter()
            .filter(|member| !self.registry.voices_in(member).is_subset(self.signers))
            .map(|member| Lack::Another(Box::new(self.label(member))))
            .collect()
    }

    /// What a satisfied member is called.
    fn label(&self, expression: &Expression) -> Lack {
        match expression {
            Expression::Key(key) => Lack::Key { key: *key, name: self.registry.name_of(key).cloned() },
            Expression::Named(name) => Lack::Named(name.clone()),
            Expression::Threshold(threshold) => Lack::Threshold(Shortfall {
                missing: threshold.needs,
                of: threshold.members.iter().map(|member| self.label(&member.expression)).collect(),
                required: Vec::new(),
            }),
        }
    }

    /// The whole deficit of `lack`: with what the authorities lack that it mentions.
    fn deficit(&self, lack: Lack) -> Deficit {
        let mut mentioned = BTreeMap::new();
        let mut open = vec![&lack];
        while let Some(lack) = open.pop() {
            match lack {
                Lack::Named(name) => {
                    if let Some((_, Err(inner))) = self.known.get_key_value(name)
                        && !matches!(inner, Lack::Key { .. })
                        && mentioned.insert(name.clone(), inner.clone()).is_none()
                    {
                        open.push(inner);
                    }
                }
                Lack::Threshold(shortfall) => open.extend(shortfall.of.iter().chain(&shortfall.required)),
                Lack::Key { .. } | Lack::Unknown(_) | Lack::Another(_) => {}
            }
        }
        Deficit { lack, authorities: mentioned.into_iter().collect() }
    }
}

/// Gives the member at `at` a signer of its own, moving others to another one where need be (Kuhn's augmenting paths).
fn augment<T>(
    at: usize,
    members: &[(T, BTreeSet<PublicKey>)],
    given: &mut BTreeMap<PublicKey, usize>,
    tried: &mut BTreeSet<PublicKey>,
) -> bool {
    for signer in &members[at].1 {
        if !tried.insert(*signer) {
            continue;
        }
        let holder = given.get(signer).copied();
        if holder.is_none_or(|holder| augment(holder, members, given, tried)) {
            given.insert(*signer, at);
            return true;
        }
    }
    false
}
