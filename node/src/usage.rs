//! Mistakes on the command line, told like every other error: what, why, and the next command.

use std::ffi::OsString;

use clap::Command;
use clap::error::ErrorKind;

use crate::errors::CliError;

/// What the parser found wrong; nothing where it only shows help or the version, which the caller prints as they are.
///
/// `program` is the whole command line's definition, `args` what was given, with the program's name first.
pub fn mistake(error: &clap::Error, program: &Command, args: &[OsString]) -> Option<CliError> {
    let shown = [
        ErrorKind::DisplayHelp,
        ErrorKind::DisplayVersion,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    if shown.contains(&error.kind()) {
        return None;
    }
    let text = error.render().to_string();
    let what = text
        .strip_prefix("error: ")
        .unwrap_or(&text)
        .lines()
        .take_while(|line| !line.trim().is_empty())
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ");
    let tips =
        text.lines().filter_map(|line| line.trim().strip_prefix("tip: ")).collect::<Vec<_>>().join("; ");
    let usage =
        text.lines().find_map(|line| line.strip_prefix("Usage: ")).map(|usage| format!("usage: {usage}"));
    // A value that a parser refused comes with its reason in the same sentence, one of few with those that there are.
    let values = what.rsplit_once(" [possible values: ").map(|(what, values)| {
        (what.to_owned(), Some(format!("it is one of: {}", values.trim_end_matches(']'))))
    });
    let (what, reason) = match (what.split_once("': "), values) {
        (Some((what, reason)), _) if error.kind() == ErrorKind::ValueValidation => {
            (format!("{what}'"), Some(reason.to_owned()))
        }
        (_, Some(told)) => told,
        _ => (what, None),
    };
    let mut why =
        reason.into_iter().chain((!tips.is_empty()).then_some(tips)).chain(usage).collect::<Vec<_>>();
    if why.is_empty() {
        why.push("the command does not take it".into());
    }
    let next = format!("{} --help", path(program, args));
    Some(CliError::usage(what, why.join("; "), next))
}

/// The program and the commands that were named, as far as there are such.
fn path(program: &Command, args: &[OsString]) -> String {
    let (mut path, mut at) = (program.get_name().to_owned(), program);
    for word in args.iter().skip(1) {
        if let Some(command) = word.to_str().and_then(|word| at.find_subcommand(word)) {
            path.push(' ');
            path.push_str(command.get_name());
            at = command;
        }
    }
    path
}
