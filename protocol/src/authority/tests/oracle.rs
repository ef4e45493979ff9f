//! What an expression means, told again in the plainest way: enumeration of everything, signers as bits.

use std::collections::BTreeMap;

use super::*;

/// An expression over the bits of signers.
#[derive(Debug, Clone)]
pub(super) enum Plain {
    Key(u32),
    Threshold(u32, Vec<(Plain, bool)>),
}

/// The expression with every name replaced by what it stands for.
pub(super) fn plain(
    expression: &Expression,
    authorities: &BTreeMap<AuthorityName, Expression>,
    bits: &BTreeMap<PublicKey, u32>,
) -> Plain {
    match expression {
        Expression::Key(key) => Plain::Key(bits[key]),
        Expression::Named(name) => plain(&authorities[name], authorities, bits),
        Expression::Threshold(threshold) => {
            let member = |member: &Member| (plain(&member.expression, authorities, bits), member.required);
            Plain::Threshold(threshold.needs, threshold.members.iter().map(member).collect())
        }
    }
}

/// The signers who counted, as bits; `None` if it is not satisfied.
pub(super) fn satisfied(expression: &Plain, signers: u32) -> Option<u32> {
    match expression {
        Plain::Key(bit) => (signers & bit != 0).then_some(*bit),
        Plain::Threshold(needs, members) => {
            let counted = members.iter().map(|(member, _)| satisfied(member, signers)).collect::<Vec<_>>();
            // Every choice of exactly so many members, all required ones among them.
            let chosen = (0u32..1 << members.len()).any(|choice| {
                let taken = |at: usize| choice & (1 << at) != 0;
                choice.count_ones() == *needs
                    && (0..members.len()).all(|at| taken(at) || !members[at].1)
                    && (0..members.len()).all(|at| !taken(at) || counted[at].is_some())
                    && apart(
                        &(0..members.len())
                            .filter(|at| taken(*at))
                            .filter_map(|at| counted[at])
                            .collect::<Vec<_>>(),
                    )
            });
            chosen.then(|| counted.into_iter().flatten().fold(0, |all, bits| all | bits))
        }
    }
}

/// Whether each can be given a bit of its own: all ways are tried.
fn apart(choices: &[u32]) -> bool {
    let Some((first, rest)) = choices.split_first() else { return true };
    (0..32)
        .map(|bit| 1u32 << bit)
        .filter(|bit| first & bit != 0)
        .any(|bit| apart(&rest.iter().map(|choice| choice & !bit).collect::<Vec<_>>()))
}
