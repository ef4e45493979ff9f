//! Charters in words: what a root signs must be readable before it does.

use std::fmt::Write as _;

use entente_protocol::charter::{
    Charter, Dependants, Fallback, Field, FieldKind, IfShort, Lint, OnExpiry, OperationType, PartnerName,
    show_span, show_time,
};
use entente_protocol::record::EventKind;

use super::table::{headed, table};

/// The whole charter.
pub(crate) fn charter(charter: &Charter, missing: Option<&[PartnerName]>) -> String {
    let mut text = String::new();
    let _ = match charter.version {
        1 => writeln!(text, "{}  {}", charter.name, charter.id()),
        later => writeln!(text, "{}  version {later}, {}", charter.name, charter.hash()),
    };
    let _ = writeln!(text, "drawn up {}\n", show_time(charter.created));
    let seats = (0..charter.partners.len()).map(|seat| seat.to_string());
    let rows = charter
        .members()
        .zip(seats.chain(std::iter::repeat("-".to_owned())))
        .map(|(partner, seat)| {
            let signed = match missing {
                Some(missing) if missing.contains(&partner.name) => "missing",
                Some(_) => "signed",
                None => "",
            };
            [
                seat,
                partner.name.to_string(),
                signed.to_owned(),
                partner.officers.len().to_string(),
                partner.nodes.len().to_string(),
                show_time(partner.credentials_until),
                partner.root.to_string(),
            ]
        })
        .collect();
    text.push_str(&headed(
        ["SEAT", "PARTNER", "SIGNATURE", "OFFICERS", "NODES", "CREDENTIALS UNTIL", "ROOT"],
        rows,
    ));
    text.push_str(&authorities(charter));
    for kind in &charter.operations {
        text.push('\n');
        text.push_str(&operation(kind));
    }
    text.push('\n');
    text.push_str(&integrity(charter));
    text.push_str(&bounds(charter));
    text
}

/// How reports of misuse are confirmed, and what follows.
fn integrity(charter: &Charter) -> String {
    let rules = &charter.integrity;
    let reporter = if rules.reporter_counts { "its reporter included" } else { "its reporter not counted" };
    let voters = match rules.voters.as_slice() {
        [] => "every partner".to_owned(),
        voters => names(voters),
    };
    let lifted = match rules.lift_votes {
        0 => "nothing ends it".to_owned(),
        votes => format!("{votes} end it"),
    };
    let mut rows = vec![
        ["integrity events".to_owned(), String::new()],
        ["  confirmed by".into(), format!("proof, or {} partners, {reporter}", rules.confirmations)],
        ["  flood".into(), format!("more than {} faults of one kind in a minute", rules.flood_per_minute)],
        ["  votes".into(), format!("of {voters}: {} suspend, {lifted}", rules.votes)],
    ];
    rows.extend(EventKind::ALL.map(|kind| {
        let responses = rules.responses.to(kind).iter().map(ToString::to_string).collect::<Vec<_>>();
        let responses = if responses.is_empty() { "nothing follows".into() } else { responses.join(", ") };
        [format!("  {kind}"), responses]
    }));
    table(&rows)
}

/// Capabilities, times and quotas.
fn bounds(charter: &Charter) -> String {
    let mut rows = vec![
        ["step of batch time".to_owned(), show_span(charter.step_ms)],
        ["clocks within".into(), show_span(charter.clock_tolerance_ms)],
    ];
    let held = charter.capabilities.iter();
    rows.extend(held.map(|it| [format!("capability {}", it.name), names(&it.partners)]));
    format!("\n{}", table(&rows))
}

fn names(names: &[PartnerName]) -> String {
    match names {
        [] => "nobody".to_owned(),
        names => names.iter().map(PartnerName::as_str).collect::<Vec<_>>().join(", "),
    }
}

/// How its roles pass on, through which phases it goes, and who rules on disputes.
fn course(kind: &OperationType) -> Vec<[String; 2]> {
    let mut rows = Vec::new();
    for phase in &kind.phases {
        let successor = phase.successor.as_ref().map_or(String::new(), |it| format!("; {it} may take over"));
        rows.push(["  phase".into(), format!("{}: led by {}{successor}", phase.name, names(&phase.lead))]);
    }
    rows.push(["  offers".into(), format!("of a role stay open for {}", show_span(kind.handoff.offer_ms))]);
    if let Some(rule) = &kind.handoff.takeover {
        let silent = rule.silent_ms.map(|span| format!("the lead is silent for {}", show_span(span)));
        let lapsed = rule.lapsed.then(|| "it may speak no more".to_owned());
        let when = silent.into_iter().chain(lapsed).collect::<Vec<_>>().join(", or ");
        rows.push(["  takeover".into(), format!("by {}, once {when}", rule.successor)]);
    }
    let Some(rule) = &kind.dispute else {
        rows.push(["  disputes".into(), "nobody rules on them".into()]);
        return rows;
    };
    let short = match rule.if_short {
        IfShort::Refuse => "none where fewer are left without the parties",
        IfShort::Unanimous => "all that are left without the parties, where these are fewer",
    };
    let expiry = match rule.on_expiry {
        OnExpiry::Uphold => "upholds",
        OnExpiry::Annul => "annuls",
    };
    let meanwhile = match rule.dependants {
        Dependants::Hold => "holds",
        Dependants::GoOn => "goes on",
    };
    rows.push([
        "  disputes".into(),
        format!(
            "within {}; {} of {} decide, {short}",
            show_span(rule.window_ms),
            rule.threshold,
            names(&rule.panel)
        ),
    ]);
    rows.push([
        "".into(),
        format!("within {}, silence {expiry}; what depends on it {meanwhile}", show_span(rule.rule_ms)),
    ]);
    if !rule.grounds.is_empty() {
        let grounds = rule.grounds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        rows.push(["".into(), format!("grounds: {grounds}")]);
    }
    if let Some(span) = rule.remand_ms {
        rows.push(["".into(), format!("remanded for {}", show_span(span))]);
    }
    rows
}

/// The authorities beside the nations' roots, and which kind prevails.
fn authorities(charter: &Charter) -> String {
    let rules = &charter.authority;
    let stated = rules.authorities.iter().map(|it| {
        [
            it.name.to_string(),
            it.kind.to_string(),
            it.expression.to_string(),
            it.scope.to_string(),
            "-".into(),
        ]
    });
    let alliances = rules.alliances.iter().map(|reference| {
        let it = &reference.alliance;
        let version = format!("{}; follows {}", it.version, reference.follow);
        [it.name.to_string(), "alliance".into(), it.expression.to_string(), it.scope.to_string(), version]
    });
    let rows = stated.chain(alliances).collect::<Vec<_>>();
    let mut text = String::new();
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&headed(["AUTHORITY", "KIND", "NEEDS", "MAY DECIDE", "VERSION"], rows));
    }
    if let Some(precedence) = &rules.precedence {
        let kinds = precedence.kinds().map(|kind| kind.to_string());
        let _ = writeln!(text, "\nwhere they disagree: {}", kinds.join(" before "));
    }
    text
}

fn operation(kind: &OperationType) -> String {
    let rule = &kind.rule;
    let mut needs = Vec::new();
    for role in kind.counting_roles() {
        match rule.needed(role) {
            0 => {}
            count => needs.push(format!("{count} of {role}")),
        }
    }
    let vetoes = kind.veto_holders();
    let veto = vetoes.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let mut rows = vec![
        [
            kind.name.to_string(),
            match kind.effect {
                Some(effect) => {
                    format!(
                        "{}, open for {}; {effect}s {}",
                        kind.precedence,
                        show_span(kind.window_ms),
                        effect.object()
                    )
                }
                None => format!("{}, open for {}", kind.precedence, show_span(kind.window_ms)),
            },
        ],
        ["  lead".into(), names(&kind.lead)],
        ["  supporting".into(), names(&kind.supporting)],
        ["  observing".into(), names(&kind.observing)],
    ];
    for role in &kind.roles {
        let mut who = names(&role.partners);
        if let Some(capability) = &role.requires {
            let _ = write!(who, "; requires {capability}");
        }
        who.push_str(match (role.counts, role.opens) {
            (true, true) => "; may open",
            (true, false) => "",
            (false, true) => "; not counted, may open",
            (false, false) => "; not counted",
        });
        rows.push([format!("  {}", role.name), who]);
    }
    rows.push(["  needs".into(), if needs.is_empty() { "no endorsement".into() } else { needs.join(", ") }]);
    rows.extend(rule.all_of.0.iter().map(|term| ["  and".into(), term.to_string()]));
    if rule.quorum > 0 {
        rows.push(["  quorum".into(), format!("{} have said something", rule.quorum)]);
    }
    if !rule.weights.is_empty() {
        let weights = rule.weights.iter().map(|weight| format!("{} {}", weight.partner, weight.weight));
        rows.push(["  weights".into(), format!("{}; others 1", weights.collect::<Vec<_>>().join(", "))]);
    }
    for it in &rule.substitutes {
        rows.push(["  stand-in".into(), format!("as {} for {}: {}", it.role, it.partner, names(&it.by))]);
    }
    if !veto.is_empty() {
        rows.push(["  veto".into(), veto]);
    }
    match &rule.fallback {
        Fallback::Fail => {}
        fallback => rows.push(["  else".into(), fallback.to_string()]),
    }
    if let Some(authority) = &kind.authority {
        rows.push(["  authority".into(), format!("{authority} has to order or permit it")]);
    }
    if !kind.may_raise.is_empty() {
        rows.push(["  raised by".into(), names(&kind.may_raise)]);
    }
    if let Some(capability) = &kind.may_raise_with {
        rows.push(["  raised by".into(), format!("whoever may open and has {capability}")]);
    }
    rows.extend(kind.fields.iter().map(|field| ["  value".into(), self::field(field)]));
    for resource in &kind.resources {
        let when = match (&resource.from, &resource.until) {
            (None, None) => String::new(),
            (from, until) => {
                let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "any time".into());
                format!(", from {} to {}", name(from), name(until))
            }
        };
        rows.push([
            "  exclusive".into(),
            format!("{} by {}{when}", resource.name, resource.fields.join(", ")),
        ]);
    }
    for lease in &kind.leases {
        let values = lease.values.iter().map(|values| values.join(", ")).collect::<Vec<_>>().join(" or ");
        let terms = lease.all_of.0.iter().map(ToString::to_string).collect::<Vec<_>>();
        let when = if terms.is_empty() { String::new() } else { format!(", if {}", terms.join(" and ")) };
        let what =
            format!("{}: {} commits {} {values} alone{when}", lease.name, lease.partner, lease.resource);
        rows.push(["  lease".into(), what]);
    }
    rows.extend(course(kind));
    table(&rows)
}

fn field(field: &Field) -> String {
    let kind = match field.kind {
        FieldKind::Text => "text".to_owned(),
        FieldKind::Number => "number".to_owned(),
        FieldKind::Time => "time".to_owned(),
        FieldKind::Choice => field.choices.join(" or "),
    };
    let bounds = match (field.min, field.max) {
        (Some(min), Some(max)) => format!(", {min} to {max}"),
        (Some(min), None) => format!(", at least {min}"),
        (None, Some(max)) => format!(", at most {max}"),
        (None, None) => String::new(),
    };
    format!("{}: {kind}{bounds}{}", field.name, if field.required { ", required" } else { "" })
}

/// Findings, one line each.
pub(crate) fn lints(lints: &[Lint]) -> String {
    lints.iter().map(|lint| format!("{lint}\n")).collect()
}
