//! What the body of an operation says: named fields with bounds, and the exclusive resources that they name.
//!
//! A type without fields takes any body. One with fields takes these and no others but `follows`, each within its bounds, so that everybody
//! reads the same in them. A *resource* is what only one operation may have at a time: a slot, a corridor, a sector. Which one is said by
//! the values of some fields, for how long by two time fields; a body that leaves one of these values out claims nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::text::{is_showable, parse_time, show_time};
use super::{CharterError, KindName, ascending, bound};
use crate::coalition::FOLLOWS;
use crate::identity::{Hash, hash};
use crate::record::{MAX_FIELD_BYTES, MAX_FIELD_NAME_BYTES, MAX_FIELDS};
use crate::time::Time;
use crate::wire;

/// Most exclusive resources of a type.
pub const MAX_RESOURCES: usize = 4;
/// Most choices of a field.
pub const MAX_CHOICES: usize = 32;

const RESOURCE_DOMAIN: &str = "entente/resource/v1";

/// A named value of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: FieldKind,
    /// Whether every body has it.
    #[serde(default)]
    pub required: bool,
    /// Least number, or least length of a text in bytes.
    #[serde(default)]
    pub min: Option<i64>,
    /// Greatest number, or greatest length of a text in bytes.
    #[serde(default)]
    pub max: Option<i64>,
    /// The values of a choice, sorted.
    #[serde(default)]
    pub choices: Vec<String>,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// Words.
    Text,
    /// A whole number in decimal.
    Number,
    /// A point in time: RFC 3339 in UTC.
    Time,
    /// One of the values named.
    Choice,
}

/// What only one operation may have at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// What it is called; the same in another type is the same resource.
    pub name: KindName,
    /// The fields whose values say which one, in this order.
    pub fields: Vec<String>,
    /// The time field from which on it is claimed; without one from the opening on, for ever before.
    #[serde(default)]
    pub from: Option<String>,
    /// The time field until which it is claimed; without one for good.
    #[serde(default)]
    pub until: Option<String>,
}

/// A resource that an operation claims, from its opening on until it fails, expires, is concluded or is annulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The resource.
    pub resource: KindName,
    /// Which one: the values of its fields.
    pub values: Vec<String>,
    /// From when.
    pub from: Time,
    /// Until when; not that moment itself.
    pub until: Time,
}

impl Claim {
    /// Under which key it is held: what overlaps under one key excludes each other.
    pub fn key(&self) -> Hash {
        hash(RESOURCE_DOMAIN, &[&wire::encode(&(&self.resource, &self.values))])
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.resource, self.values.join(", "))?;
        if self.from > Time(0) {
            write!(f, " from {}", show_time(self.from))?;
        }
        if self.until < Time(u64::MAX) {
            write!(f, " until {}", show_time(self.until))?;
        }
        Ok(())
    }
}

impl Field {
    /// What is wrong with `value`, in words that follow its name.
    pub fn refuse(&self, value: &str) -> Option<String> {
        let (min, max) = (self.min.unwrap_or(i64::MIN), self.max.unwrap_or(i64::MAX));
        match self.kind {
            FieldKind::Text => {
                let length = i64::try_from(value.len()).unwrap_or(i64::MAX);
                (length < min || length > max).then(|| format!("has {length} bytes{}", self.bounds()))
            }
            FieldKind::Number => match value.parse::<i64>() {
                Ok(number) if number.to_string() == value => {
                    (number < min || number > max).then(|| format!("is {number}{}", self.bounds()))
                }
                _ => Some("is no whole number".into()),
            },
            FieldKind::Time => {
                parse_time(value).is_none().then(|| "is no time in UTC, such as 2026-11-24T13:05:09Z".into())
            }
            FieldKind::Choice => (!self.choices.iter().any(|choice| choice == value))
                .then(|| format!("is none of {}", self.choices.join(", "))),
        }
    }

    fn bounds(&self) -> String {
        match (self.min, self.max) {
            (Some(min), Some(max)) => format!("; {min} to {max} are allowed"),
            (Some(min), None) => format!("; at least {min} are needed"),
            (None, Some(max)) => format!("; at most {max} are allowed"),
            (None, None) => String::new(),
        }
    }

    fn check(&self, kind: &KindName) -> Result<(), CharterError> {
        let what = format!("field {:?} of {kind}", self.name);
        bound(&format!("bytes of the name of {what}"), self.name.len(), 1, MAX_FIELD_NAME_BYTES)?;
        bound(&format!("choices of {what}"), self.choices.len(), 0, MAX_CHOICES)?;
        ascending(&format!("choices of {what}"), &self.choices)?;
        for text in self.choices.iter().chain([&self.name]) {
            bound(&format!("bytes of a text of {what}"), text.len(), 1, MAX_FIELD_BYTES)?;
            if !is_showable(text) {
                return Err(CharterError::Text(format!("{what} has control characters")));
            }
        }
        Ok(())
    }
}

/// What is wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyError {
    /// A field that the type does not have.
    Unknown(String),
    /// A field that the type requires.
    Missing(String),
    /// A value out of its bounds: the field, and what is wrong in words that follow its name.
    Value(String, String),
    /// An interval that ends before it begins: its fields.
    Interval(String, String),
}

/// The fields and resources of a type, and what a body says under them.
pub(super) struct Schema<'a> {
    pub(super) fields: &'a [Field],
    pub(super) resources: &'a [Resource],
}

impl Schema<'_> {
    pub(super) fn judge(&self, body: &BTreeMap<String, String>) -> Result<Vec<Claim>, BodyError> {
        let named = |name: &String| self.fields.iter().find(|field| field.name == *name);
        if !self.fields.is_empty()
            && let Some(name) = body.keys().find(|name| named(name).is_none() && *name != FOLLOWS)
        {
            return Err(BodyError::Unknown(name.clone()));
        }
        for field in self.fields {
            match body.get(&field.name) {
                None if field.required => return Err(BodyError::Missing(field.name.clone())),
                Some(value) => {
                    if let Some(why) = field.refuse(value) {
                        return Err(BodyError::Value(field.name.clone(), why));
                    }
                }
                None => {}
            }
        }
        let claims = self.resources.iter().map(|resource| resource.claim(body));
        Ok(claims.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    pub(super) fn check(&self, kind: &KindName) -> Result<(), CharterError> {
        bound(&format!("fields of {kind}"), self.fields.len(), 0, MAX_FIELDS)?;
        ascending(&format!("fields of {kind}"), self.fields.iter().map(|field| &field.name))?;
        self.fields.iter().try_for_each(|field| field.check(kind))?;
        bound(&format!("resources of {kind}"), self.resources.len(), 0, MAX_RESOURCES)?;
        ascending(&format!("resources of {kind}"), self.resources.iter().map(|resource| &resource.name))?;
        for resource in self.resources {
            let what = format!("fields of resource {} of {kind}", resource.name);
            bound(&what, resource.fields.len(), 1, MAX_FIELDS)?;
            for name in resource.fields.iter().chain(&resource.from).chain(&resource.until) {
                bound(&format!("bytes of a name in the {what}"), name.len(), 1, MAX_FIELD_NAME_BYTES)?;
            }
        }
        Ok(())
    }

    /// What in it can never work, and what people should know: errors, and notes.
    pub(super) fn lint(&self) -> (Vec<String>, Vec<String>) {
        let (mut errors, mut notes) = (Vec::new(), Vec::new());
        for field in self.fields {
            let name = &field.name;
            let bounded = matches!(field.kind, FieldKind::Text | FieldKind::Number);
            if !bounded && (field.min.is_some() || field.max.is_some()) {
                errors.push(format!("field {name:?} has bounds, but is neither a text nor a number"));
            }
            if let (Some(min), Some(max)) = (field.min, field.max)
                && min > max
            {
                errors.push(format!(
                    "field {name:?} must be at least {min} and at most {max}, so nothing fits"
                ));
            }
            match (field.kind, field.choices.is_empty()) {
                (FieldKind::Choice, true) => {
                    errors.push(format!("field {name:?} has no choices, so nothing fits"))
                }
                (FieldKind::Choice, false) | (_, true) => {}
                (_, false) => errors.push(format!("field {name:?} has choices, but is no choice")),
            }
        }
        for resource in self.resources {
            let name = &resource.name;
            for used in resource.fields.iter().chain(&resource.from).chain(&resource.until) {
                match self.fields.iter().find(|field| field.name == *used) {
                    None => errors
                        .push(format!("resource {name} is named by the field {used:?}, which there is not")),
                    Some(field) if !field.required => notes.push(format!(
                        "resource {name} is named by the field {used:?}, which may be left out: {}",
                        if resource.fields.contains(used) {
                            "then nothing is claimed"
                        } else {
                            "then it is claimed without that bound"
                        }
                    )),
                    Some(_) => {}
                }
            }
            for used in resource.from.iter().chain(&resource.until) {
                if self.fields.iter().any(|field| field.name == *used && field.kind != FieldKind::Time) {
                    errors
                        .push(format!("resource {name} is claimed by the field {used:?}, which is no time"));
                }
            }
        }
        (errors, notes)
    }
}

impl Resource {
    fn claim(&self, body: &BTreeMap<String, String>) -> Result<Option<Claim>, BodyError> {
        let values = self.fields.iter().map(|name| body.get(name).cloned()).collect::<Option<Vec<_>>>();
        let Some(values) = values else { return Ok(None) };
        let time = |name: &Option<String>| name.as_ref().and_then(|name| parse_time(body.get(name)?));
        let from = time(&self.from).unwrap_or(Time(0));
        let until = time(&self.until).unwrap_or(Time(u64::MAX));
        if from >= until {
            let name = |name: &Option<String>| name.clone().unwrap_or_default();
            return Err(BodyError::Interval(name(&self.from), name(&self.until)));
        }
        Ok(Some(Claim { resource: self.name.clone(), values, from, until }))
    }
}
