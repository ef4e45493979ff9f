//! What waits: one line each, with the command that answers it.

use entente_protocol::coalition::Waits;
use entente_protocol::time::Time;
use serde_json::Value;

use super::age::moment;
use super::table::headed;
use super::{plain, short};
use crate::api::dto::Waiting;
use crate::hints::Hints;

/// What waits for the partner `own`, the most urgent first.
pub(crate) fn list(waiting: &[Waiting], own: Option<&str>, now: Time, hints: &Hints) -> String {
    if waiting.is_empty() {
        return "nothing waits\n".into();
    }
    let rows = waiting
        .iter()
        .map(|it| {
            [
                if it.urgent { "!".into() } else { String::new() },
                word(it.what).to_owned(),
                it.until_ms.map_or_else(|| "-".into(), |until| moment(Time(until), now)),
                plain(&it.title),
                plain(&it.why),
                command(it, own).map_or_else(String::new, |command| hints.copyable(&command)),
            ]
        })
        .collect();
    headed(["", "TO", "UNTIL", "WHAT", "WHY", "NEXT"], rows)
}

/// For programs: what waits, each with the command that answers it.
pub(crate) fn json(waiting: &[Waiting], own: Option<&str>, hints: &Hints) -> Vec<Value> {
    let view = |it: &Waiting| {
        let mut value = serde_json::to_value(it).unwrap_or_default();
        if let (Some(fields), Some(next)) = (value.as_object_mut(), command(it, own)) {
            fields.insert("next".into(), hints.copyable(&next).into());
        }
        value
    };
    waiting.iter().map(view).collect()
}

fn word(what: Waits) -> &'static str {
    match what {
        Waits::Suspended
        | Waits::Concerned
        | Waits::Refused
        | Waits::TakenOver
        | Waits::Disputed
        | Waits::Recalled
        | Waits::Ended
        | Waits::Quarantined
        | Waits::Watch => "know",
        Waits::Conclude => "conclude",
        Waits::Vote => "vote",
        Waits::TakeOver => "take over",
        Waits::Undone => "undo",
        Waits::Lead => "settle",
        Waits::Attest | Waits::Veto => "attest",
        Waits::Authorize => "authorize",
        Waits::Consent => "consent",
        Waits::Answer => "answer",
        Waits::Judge => "judge",
        Waits::Confirm => "confirm",
        Waits::Credentials => "renew",
        Waits::Clock => "set",
    }
}

fn command(waiting: &Waiting, own: Option<&str>) -> Option<String> {
    let id = waiting.about.as_ref().map(short);
    Some(match (waiting.what, id) {
        (Waits::Attest | Waits::Veto, Some(id)) => {
            let role = waiting.role.map_or(String::new(), |role| format!(" --role {role}"));
            format!("entente op attest {id} --endorse{role}")
        }
        (Waits::Authorize, Some(id)) => {
            let named = waiting.authority.as_ref().map_or(String::new(), |name| format!(" --for {name}"));
            format!("entente op permit {id}{named}")
        }
        (Waits::TakeOver, Some(id)) => format!("entente handoff takeover {id}"),
        // Of what was refused the log knows nothing but its id.
        (Waits::Refused, Some(_)) => format!("entente op show {}", waiting.about?),
        (Waits::Disputed, Some(id)) => format!("entente dispute show {id}"),
        (Waits::Answer, Some(id)) => format!("entente handoff show {id}"),
        (Waits::Judge, Some(id)) => format!("entente dispute show {id}"),
        (Waits::Confirm | Waits::Vote | Waits::Quarantined, Some(id)) => {
            format!("entente integrity show {id}")
        }
        (Waits::Watch | Waits::Suspended, _) => format!("entente member show {}", own?),
        (Waits::Conclude, Some(id)) => format!("entente handoff conclude {id}"),
        (_, Some(id)) => format!("entente op show {id}"),
        (Waits::Clock, None) => "entente status".into(),
        (Waits::Credentials, None) => format!("entente member show {}", own?),
        (_, None) => return None,
    })
}

#[cfg(test)]
mod tests {
    use entente_protocol::identity::{RecordId, hash};

    use super::*;

    #[test]
    fn a_clock_and_credentials_lead_to_what_says_more_of_them() {
        let waits = |what, title: &str| Waiting {
            what,
            urgent: true,
            about: None,
            title: title.into(),
            why: "because".into(),
            until_ms: None,
            authority: None,
            role: None,
        };
        let waiting = [waits(Waits::Clock, "clock"), waits(Waits::Credentials, "credentials")];
        let hints = Hints::new("entente", ["status".to_owned(), "member".to_owned()], Some("/d".into()));
        let text = list(&waiting, Some("norden"), Time(0), &hints);
        let lines = text.lines().skip(1).collect::<Vec<_>>();
        assert!(lines[0].contains("set") && lines[0].ends_with("entente --dir /d status"), "{text}");
        assert!(lines[1].contains("renew"), "{text}");
        assert!(lines[1].ends_with("entente --dir /d member show norden"), "{text}");
    }

    #[test]
    fn an_authority_that_waits_is_named_in_the_command_that_speaks_for_it() {
        let about = RecordId(hash("test", &[b"id"]));
        let waiting = Waiting {
            what: Waits::Authorize,
            urgent: false,
            about: Some(about),
            title: "airlift: Lift by night".into(),
            why: "authority: waits for pact".into(),
            until_ms: None,
            authority: Some("pact".parse().expect("a name")),
            role: None,
        };
        let says = command(&waiting, Some("norden"));
        assert_eq!(says, Some(format!("entente op permit {} --for pact", short(&about))));
        let json = serde_json::to_value(&waiting).expect("plain data");
        assert_eq!(json["authority"], "pact");
    }
}
