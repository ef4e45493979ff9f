//! Commands inside messages, made so that they can be copied.
//!
//! Guarantees: whoever named a data folder on the command line is shown commands that name it, too, wherever the message
//! comes from: this program, or the node that answers. Whoever did not (it stands in the environment, or is the default)
//! is shown the short form, which works as it is.

use std::path::{Path, PathBuf};

/// How a program's commands are shown to this user.
#[derive(Debug, Clone)]
pub struct Hints {
    program: &'static str,
    commands: Vec<String>,
    dir: Option<PathBuf>,
}

impl Hints {
    /// Hints at `commands` of `program`, of one word or two, for a user who named the folder `dir`, or none.
    pub fn new(
        program: &'static str,
        commands: impl IntoIterator<Item = String>,
        dir: Option<PathBuf>,
    ) -> Self {
        Self { program, commands: commands.into_iter().collect(), dir }
    }

    /// `text` with the folder in each of the program's commands that are in it.
    pub fn copyable(&self, text: &str) -> String {
        let Some(dir) = &self.dir else { return text.to_owned() };
        let (mut shown, mut rest) = (String::new(), text);
        while let Some(at) = rest.find(self.program) {
            let (before, behind) = (&rest[..at], &rest[at + self.program.len()..]);
            shown.push_str(before);
            shown.push_str(self.program);
            let is_word = !before.ends_with(|c: char| c.is_alphanumeric() || "-_/.".contains(c));
            if is_word && behind.strip_prefix(' ').is_some_and(|words| self.is_command(words)) {
                shown.push_str(&format!(" --dir {}", quoted(dir)));
            }
            rest = behind;
        }
        shown.push_str(rest);
        shown
    }

    fn is_command(&self, words: &str) -> bool {
        let begins = |command: &str| {
            let behind = words.strip_prefix(command);
            behind.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-'))
        };
        self.commands.iter().any(|command| begins(command)) || begins("--as") || begins("--json")
    }
}

/// A path as a shell reads it back.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "-_./:@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(dir: Option<&str>) -> Hints {
        let commands = ["op", "up", "authority list"].map(str::to_owned);
        Hints::new("entente", commands, dir.map(PathBuf::from))
    }

    #[test]
    fn every_command_in_a_message_names_the_folder_that_the_user_named() {
        let text =
            "stop it: entente op list; then entente up, not entente-testnet up or the word entente alone";
        assert_eq!(hints(None).copyable(text), text);
        assert_eq!(
            hints(Some("/d")).copyable(text),
            "stop it: entente --dir /d op list; then entente --dir /d up, not entente-testnet up or the word entente alone"
        );
        assert_eq!(hints(Some("/d")).copyable("entente --dir /e up"), "entente --dir /e up");
        assert_eq!(
            hints(Some("/d"))
                .copyable("entente authority list, then entente authority show F or entente upper"),
            "entente --dir /d authority list, then entente authority show F or entente upper"
        );
        assert_eq!(hints(Some("it's")).copyable("entente up"), r"entente --dir 'it'\''s' up");
    }
}
