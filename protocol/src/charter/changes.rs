//! What differs between two charters, in words that name the old and the new. Partners decide on these lines.
//!
//! How: an outcome rule and an authority are compared by what they mean to people; all else by its text form, value by value,
//! so that nothing that is written can differ without a line.

use std::collections::BTreeSet;
use std::fmt;

use toml::Value;

use super::text::{all_of, show_span, show_time};
use super::{
    AuthorityRules, Charter, Effect, Fallback, HeldCapability, IntegrityRules, OperationType, OutcomeRule,
    Partner, PartnerName,
};
use crate::authority::{AllianceReference, Authority, Expression};

/// A difference between two charters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What differs, with the old and the new.
    pub text: String,
    /// Whether an amendment can change that.
    pub amendable: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.amendable { Ok(()) } else { f.write_str(" (no amendment can change that)") }
    }
}

/// What no amendment changes, in words.
pub(super) fn unchangeable(charter: &Charter) -> String {
    let amenders = charter.kinds_with(Effect::Amend).map(|kind| &kind.name).collect::<Vec<_>>();
    let amenders = match amenders.as_slice() {
        [] => "that no type amends it".to_owned(),
        names => format!("which types amend it ({})", all_of(names)),
    };
    format!(
        "what no amendment can change later: the name, when it was drawn up, step_ms, clock_tolerance_ms, the quotas, the partners that \
         found it and their seats, and {amenders}"
    )
}

impl Charter {
    /// All that differs between this charter and `other`, be it a later version or another draft.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut fixed = Lines::default();
        fixed.put("name", self.name.as_str(), other.name.as_str());
        fixed.put("drawn up", &show_time(self.created), &show_time(other.created));
        let nonce = |charter: &Self| value(&charter.nonce).as_ref().map_or_else(String::new, inline);
        fixed.put("nonce", &nonce(self), &nonce(other));
        fixed.put("step", &show_span(self.step_ms), &show_span(other.step_ms));
        let tolerance = |charter: &Self| show_span(charter.clock_tolerance_ms);
        fixed.put("clock tolerance", &tolerance(self), &tolerance(other));
        fixed.compare("quota", value(&self.quota).as_ref(), value(&other.quota).as_ref());
        fixed.partners(&self.partners, &other.partners);
        let stayed = other.admitted.iter().filter(|it| self.admitted.iter().any(|old| old.name == it.name));
        fixed.partners(&self.admitted, &stayed.cloned().collect::<Vec<_>>());

        let mut lines = Lines::default();
        let amends = |kind: &OperationType| kind.effect == Some(Effect::Amend);
        for kind in &self.operations {
            if other.kind(kind.name.as_str()).is_none() {
                let lines = if amends(kind) { &mut fixed } else { &mut lines };
                lines.0.push(removes(kind));
            }
        }
        for kind in &other.operations {
            let old = self.kind(kind.name.as_str());
            if old == Some(kind) {
                continue;
            }
            let fixed_effect = old.map_or(amends(kind), |old| amends(old) != amends(kind));
            let lines = if fixed_effect { &mut fixed } else { &mut lines };
            lines.0.extend(puts(old, kind));
        }
        lines.0.extend(integrity(&self.integrity, &other.integrity));
        lines.0.extend(authority(self, &self.authority, &other.authority));
        lines.0.extend(capabilities(&self.capabilities, &other.capabilities));
        let joins = other.admitted.iter().filter(|it| self.partner(it.name.as_str()).is_none());
        lines.0.extend(joins.map(admits));
        let fixed = fixed.0.into_iter().map(|text| Difference { text, amendable: false });
        fixed.chain(lines.0.into_iter().map(|text| Difference { text, amendable: true })).collect()
    }
}

pub(super) fn removes(kind: &OperationType) -> String {
    format!("removes {}", kind.name)
}

/// What it means that `new` is put in the place of `old`, or is new.
pub(super) fn puts(old: Option<&OperationType>, new: &OperationType) -> Vec<String> {
    let name = &new.name;
    let Some(old) = old else {
        let effect = new.effect.map_or_else(String::new, |effect| format!(", {effect}s {}", effect.object()));
        return vec![format!(
            "adds {name}: {}, window {}{effect}; lead {}; supporting {}; needs {}",
            new.precedence,
            show_span(new.window_ms),
            all_of(&new.lead),
            all_of(&new.supporting),
            new.rule.requirements()
        )];
    };
    let mut lines = Lines::default();
    let table = |kind: &OperationType| {
        let mut table = value(kind)?;
        table.as_table_mut()?.remove("rule");
        Some(table)
    };
    lines.compare("", table(old).as_ref(), table(new).as_ref());
    lines.rule(&old.rule, &new.rule);
    lines.0.into_iter().map(|line| format!("{name}: {line}")).collect()
}

pub(super) fn integrity(old: &IntegrityRules, new: &IntegrityRules) -> Vec<String> {
    let mut lines = Lines::default();
    lines.compare("", value(old).as_ref(), value(new).as_ref());
    lines.0.into_iter().map(|line| format!("integrity events: {line}")).collect()
}

pub(super) fn capabilities(old: &[HeldCapability], new: &[HeldCapability]) -> Vec<String> {
    let held = |list: &[HeldCapability]| {
        let held = |it: &HeldCapability| format!("{} ({})", it.name, all_of(&it.partners));
        list.iter().map(held).collect::<Vec<_>>()
    };
    let mut lines = Lines::default();
    lines.set("capabilities", &held(old), &held(new));
    lines.0
}

/// Keys are called by the names of the partners of `charter` whose roots they are.
pub(super) fn authority(charter: &Charter, old: &AuthorityRules, new: &AuthorityRules) -> Vec<String> {
    let mut lines = Lines::default();
    let precedence = |rules: &AuthorityRules| {
        let kinds = rules.precedence.map(|it| it.kinds().map(|kind| kind.to_string()).join(" before "));
        kinds.unwrap_or_else(|| "undecided".into())
    };
    lines.put("where authorities disagree:", &precedence(old), &precedence(new));
    let named = |expression: &Expression| {
        let owner = |key: &_| Some((&charter.members().find(|it| it.root == *key)?.name).into());
        expression.with_names_of_keys(&owner).to_string()
    };
    for it in &new.authorities {
        let Authority { name, kind, scope, expression } = it;
        match old.stated(name.as_str()) {
            None => {
                lines.0.push(format!("adds the authority {name} ({kind}): {}; {scope}", named(expression)))
            }
            Some(was) => {
                let mut of = Lines::default();
                of.put("kind", &was.kind.to_string(), &kind.to_string());
                of.put("needs", &named(&was.expression), &named(expression));
                of.put("scope", &was.scope.to_string(), &scope.to_string());
                lines.0.extend(of.0.into_iter().map(|line| format!("authority {name}: {line}")));
            }
        }
    }
    let gone = old.authorities.iter().filter(|it| new.stated(it.name.as_str()).is_none());
    lines.0.extend(gone.map(|it| format!("removes the authority {}: {}", it.name, named(&it.expression))));
    lines.0.extend(charter.nations_changed(new).iter().map(|nation| {
        format!("needs the consent of {nation}, signed by keys of its authority as it is and as it is to be")
    }));
    for reference in &new.alliances {
        let AllianceReference { alliance, follow, .. } = reference;
        let (name, version) = (&alliance.name, alliance.version);
        let expression = &alliance.expression;
        match old.alliance(name) {
            None => lines
                .0
                .push(format!("adds the alliance {name} version {version}, follows {follow}: {expression}")),
            Some(was) => {
                let mut of = Lines::default();
                of.put("version", &was.alliance.version.to_string(), &version.to_string());
                of.put("follows", &was.follow.to_string(), &follow.to_string());
                of.put("needs", &was.alliance.expression.to_string(), &expression.to_string());
                of.put("scope", &was.alliance.scope.to_string(), &alliance.scope.to_string());
                if of.0.is_empty() && was != reference {
                    of.0.push("its parties or signatures differ".into());
                }
                lines.0.extend(of.0.into_iter().map(|line| format!("alliance {name}: {line}")));
            }
        }
    }
    let gone = old.alliances.iter().filter(|it| new.alliance(&it.alliance.name).is_none());
    lines.0.extend(gone.map(|it| format!("removes the alliance {}", it.alliance.name)));
    lines.0
}

pub(super) fn admits(partner: &Partner) -> String {
    let Partner { name, root, officers, nodes, .. } = partner;
    let of = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!("admits {name}: root {root}, {}, {}", of(officers.len(), "officer"), of(nodes.len(), "node"))
}

impl OutcomeRule {
    /// What must be endorsed, in words.
    fn requirements(&self) -> String {
        let mut roles = self.required.clone();
        roles.extend(self.at_least.iter().map(|least| least.role));
        roles.sort_unstable();
        roles.dedup();
        let plain = roles.into_iter().filter(|role| self.needed(*role) > 0);
        let plain = plain.map(|role| format!("{} of {role}", self.needed(role)));
        let parts = plain.chain(self.all_of.0.iter().map(ToString::to_string)).collect::<Vec<_>>();
        if parts.is_empty() { "no endorsement".into() } else { parts.join(" and ") }
    }
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fail => f.write_str("it expires"),
            Self::Defer => f.write_str("one further window"),
            Self::Escalate(to) => write!(f, "the word of {to} decides within one further window"),
            Self::Authority(to) => {
                write!(f, "what the authority {to} says decides within one further window")
            }
            Self::Lesser(lesser) => {
                let needs = lesser.all_of.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
                write!(f, "agreed with limits ({}), if {needs}", lesser.limits)
            }
        }
    }
}

fn value<T: serde::Serialize>(of: &T) -> Option<Value> {
    Value::try_from(of).ok()
}

/// A value on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".into(),
        Value::Array(items) => items.iter().map(inline).collect::<Vec<_>>().join(", "),
        Value::Table(table) => {
            let parts = table.iter().map(|(key, value)| format!("{} {}", label(key), of_key(key, value)));
            format!("({})", parts.collect::<Vec<_>>().join("; "))
        }
        other => other.to_string(),
    }
}

/// The value of `key`: lengths of time as such.
fn of_key(key: &str, value: &Value) -> String {
    match value.as_integer().and_then(|ms| u64::try_from(ms).ok()) {
        Some(ms) if key.ends_with("_ms") => show_span(ms),
        _ => inline(value),
    }
}

fn label(key: &str) -> String {
    key.strip_suffix("_ms").unwrap_or(key).replace('_', " ")
}

fn name_of(value: &Value) -> Option<&str> {
    value.get("name")?.as_str()
}

#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn put(&mut self, what: &str, old: &str, new: &str) {
        if old != new {
            self.0.push(format!("{what} {old} -> {new}"));
        }
    }

    /// What is in one list and not in the other.
    fn set(&mut self, what: &str, old: &[String], new: &[String]) {
        let (was, is) = (old.iter().collect::<BTreeSet<_>>(), new.iter().collect::<BTreeSet<_>>());
        let added = is.difference(&was).map(|item| format!("+{item}"));
        let removed = was.difference(&is).map(|item| format!("-{item}"));
        let changed = added.chain(removed).collect::<Vec<_>>();
        if !changed.is_empty() {
            self.0.push(format!("{what} {}", changed.join(" ")));
        } else if old != new {
            self.0.push(format!("{what} {} -> {}", old.join(", "), new.join(", ")));
        }
    }

    fn compare(&mut self, path: &str, old: Option<&Value>, new: Option<&Value>) {
        self.compare_key(path, "", old, new);
    }

    fn compare_key(&mut self, path: &str, key: &str, old: Option<&Value>, new: Option<&Value>) {
        if old == new {
            return;
        }
        let under = |key: &str| {
            let label = label(key);
            if path.is_empty() { label } else { format!("{path} {label}") }
        };
        match (old, new) {
            (Some(Value::Table(was)), Some(Value::Table(is))) => {
                let keys = was.keys().chain(is.keys()).collect::<BTreeSet<_>>();
                for key in keys {
                    self.compare_key(&under(key), key, was.get(key), is.get(key));
                }
            }
            (Some(Value::Array(was)), Some(Value::Array(is))) => self.lists(path, was, is),
            (was, is) => {
                // They differ, also where a name looks like nothing.
                let show =
                    |side: Option<&Value>| side.map_or_else(|| "(nothing)".into(), |it| of_key(key, it));
                self.0.push(format!("{path} {} -> {}", show(was), show(is)));
            }
        }
    }

    fn lists(&mut self, path: &str, was: &[Value], is: &[Value]) {
        if !was.iter().chain(is).all(|item| name_of(item).is_some()) {
            let shown = |items: &[Value]| items.iter().map(inline).collect::<Vec<_>>();
            return self.set(path, &shown(was), &shown(is));
        }
        let find = |items: &[Value], name: &str| items.iter().find(|it| name_of(it) == Some(name)).cloned();
        let names = was.iter().chain(is).filter_map(name_of).collect::<BTreeSet<_>>();
        for name in names {
            match (find(was, name), find(is, name)) {
                (Some(one), Some(other)) => self.compare(&format!("{path} {name}"), Some(&one), Some(&other)),
                (None, Some(item)) => self.0.push(format!("{path} +{name} {}", without_name(&item))),
                (Some(_), None) => self.0.push(format!("{path} -{name}")),
                (None, None) => {}
            }
        }
        let order = |items: &[Value]| items.iter().filter_map(name_of).map(str::to_owned).collect::<Vec<_>>();
        let (was, is) = (order(was), order(is));
        if was.len() == is.len() && was.iter().all(|name| is.contains(name)) {
            self.put(path, &was.join(", "), &is.join(", "));
        }
    }

    fn rule(&mut self, old: &OutcomeRule, new: &OutcomeRule) {
        self.put("needs", &old.requirements(), &new.requirements());
        self.put("quorum", &old.quorum.to_string(), &new.quorum.to_string());
        let weights = |rule: &OutcomeRule| {
            rule.weights.iter().map(|it| format!("{} {}", it.partner, it.weight)).collect::<Vec<_>>()
        };
        self.set("weights", &weights(old), &weights(new));
        let stand_ins = |rule: &OutcomeRule| {
            let each = rule.substitutes.iter();
            each.map(|it| format!("(as {} for {}: {})", it.role, it.partner, all_of(&it.by)))
                .collect::<Vec<_>>()
        };
        self.set("stand-ins", &stand_ins(old), &stand_ins(new));
        let vetoes = |rule: &OutcomeRule| {
            let partners = rule.veto.partners.iter().map(PartnerName::to_string);
            partners
                .chain(rule.veto.roles.iter().map(|role| format!("whoever is {role}")))
                .collect::<Vec<_>>()
        };
        self.set("veto", &vetoes(old), &vetoes(new));
        self.put("else", &old.fallback.to_string(), &new.fallback.to_string());
    }

    /// Partners whose entries no amendment changes.
    fn partners(&mut self, old: &[Partner], new: &[Partner]) {
        for partner in old {
            let name = &partner.name;
            match new.iter().find(|it| it.name == *name) {
                Some(other) => {
                    let path = format!("partner {name}:");
                    self.compare(&path, value(partner).as_ref(), value(other).as_ref());
                }
                None => self.0.push(format!("partner -{name}")),
            }
        }
        let added = new.iter().filter(|it| old.iter().all(|was| was.name != it.name));
        self.0.extend(added.map(|it| format!("partner +{}, with a seat", it.name)));
    }
}

fn without_name(item: &Value) -> String {
    let mut item = item.clone();
    item.as_table_mut().map(|table| table.remove("name"));
    inline(&item)
}
