//! Claims about authorities: against an oracle that shares no code with them, over every set of signers.

mod alliances;
mod evaluation;
mod expressions;
mod oracle;
mod precedence;

use super::*;
use crate::coalition::rng::Rng;
use crate::identity::{PublicKey, SecretKey};

/// The secret key of the signer at `at`.
fn secret(at: usize) -> SecretKey {
    SecretKey::from_seed(&[u8::try_from(at + 1).expect("few signers"); 32])
}

fn key(at: usize) -> PublicKey {
    secret(at).public()
}

fn name(text: &str) -> AuthorityName {
    text.parse().expect("a name")
}

fn named(text: &str) -> Expression {
    Expression::Named(name(text))
}

fn of(needs: u32, members: Vec<Expression>) -> Expression {
    Expression::threshold(needs, members, &[]).expect("canonical")
}

fn authority(text: &str, kind: AuthorityKind, expression: Expression) -> Authority {
    Authority { name: name(text), kind, scope: Scope::default(), expression }
}

fn nation(text: &str, at: usize) -> Authority {
    authority(text, AuthorityKind::National, Expression::Key(key(at)))
}
