//! What an officer is about to say, judged before it is signed: the same limits as every seat applies to what is ordered.

use std::collections::BTreeMap;

use entente_protocol::coalition::{Part, Refusal};
use entente_protocol::record::{Body, MAX_BODY_BYTES};

use crate::errors::CliError;
use crate::render;

/// Refuses a text that no seat would accept. `named` says which, `command` is the command line that it stood in.
pub(in crate::cli) fn check(part: Part, named: &str, text: &str, command: &str) -> Result<(), CliError> {
    part.check(text).map_err(|refusal| match refusal {
        Refusal::TooLong { found, most, .. } => CliError::usage(
            format!("the {named} is too long"),
            format!("it has {found} bytes, and at most {most} are allowed"),
            format!("the same command with a shorter text: {command}"),
        ),
        Refusal::Unshowable { .. } => CliError::usage(
            format!("the {named} cannot be shown to people on one line"),
            format!("it has control characters (shown here as \u{fffd}): {}", render::plain(text)),
            format!("the same command without them: {command}"),
        ),
        other => CliError::usage(
            format!("the {named} is refused"),
            other,
            format!("the same command with another text: {command}"),
        ),
    })
}

/// Refuses a text with nothing in it.
pub(in crate::cli) fn check_not_empty(named: &str, text: &str, command: &str) -> Result<(), CliError> {
    if !text.trim().is_empty() {
        return Ok(());
    }
    Err(CliError::usage(
        format!("the {named} is empty"),
        "partners read it to know what they agree on",
        format!("the same command with some words: {command}"),
    ))
}

/// Refuses named values that no seat would accept.
pub(super) fn check_values(values: &BTreeMap<String, String>, command: &str) -> Result<(), CliError> {
    Part::Fields.check_length(values.len()).map_err(|_| {
        CliError::usage(
            "there are too many named values",
            format!("there are {}, and at most {} are allowed", values.len(), Part::Fields.most()),
            format!("the same command with fewer: {command}"),
        )
    })?;
    for (name, value) in values {
        check_not_empty("name of a value", name, command)?;
        let shown = render::plain(&name.chars().take(Part::FieldName.most()).collect::<String>());
        check(Part::FieldName, &format!("name of the value {shown:?}"), name, command)?;
        check(Part::Field, &format!("value of {shown:?}"), value, command)?;
    }
    Ok(())
}

/// The encoded body, if it is not too large as a whole.
pub(super) fn encode(body: &Body, command: &str) -> Result<Vec<u8>, CliError> {
    let bytes = body.encode();
    if bytes.len() <= MAX_BODY_BYTES {
        return Ok(bytes);
    }
    Err(CliError::usage(
        "the record is too large",
        format!("it has {} bytes with all its values, and at most {MAX_BODY_BYTES} are allowed", bytes.len()),
        format!("the same command with fewer or shorter values: {command}"),
    ))
}
