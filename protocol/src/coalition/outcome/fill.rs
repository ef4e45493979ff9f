//! Whether a way can be filled at all, by whom.

use super::tally::{Looked, Voices};
use crate::charter::{PartnerName, Threshold};
use crate::record::{Role, Stance};

/// Whether further endorsements of partners that do not endorse yet, but `without` these, can meet `way` and the quorum. One
/// partner has one voice, so for those with several roles every choice is tried: `None` if that were more than `tries`, of which they are taken.
pub(super) fn is_fillable(
    voices: &Voices<'_>,
    way: &[Threshold],
    quorum: u32,
    without: &[&PartnerName],
    tries: &mut usize,
) -> Option<bool> {
    let kind = voices.kind;
    let mut full = voices.clone();
    let mut choices: Vec<(&PartnerName, Vec<Role>)> = Vec::new();
    for partner in kind.voters() {
        let endorses = matches!(voices.get(partner), Some((_, Stance::Endorse)));
        if endorses || without.contains(&partner) {
            continue;
        }
        let mut roles = kind.voices_of(partner);
        match (roles.next(), roles.next()) {
            (Some(role), None) => full.put(partner, role),
            (Some(one), Some(two)) => choices.push((partner, [one, two].into_iter().chain(roles).collect())),
            (None, _) => {}
        }
    }
    let combinations = choices.iter().fold(1usize, |all, (_, roles)| all.saturating_mul(roles.len()));
    *tries = tries.checked_sub(combinations)?;
    let way = [way.to_vec()];
    let meets = |mut number: usize| {
        let mut tried = full.clone();
        for (partner, roles) in &choices {
            tried.put(partner, roles[number % roles.len()]);
            number /= roles.len();
        }
        tried.meets(&way, quorum, Looked::AtTheEnd)
    };
    Some((0..combinations).any(meets))
}
