//! Scenario files that are right, and wrong ones with the place where they are.

use super::*;

fn text_of(name: &str) -> &'static str {
    BUILT_IN.iter().find(|(built_in, _)| *built_in == name).expect("it is built in").1
}

#[test]
fn all_that_are_built_in_are_whole_and_have_a_twin() {
    for (name, _) in BUILT_IN {
        let scenario = Scenario::load(name).expect("it is checked here");
        assert!(scenario.twin.is_some(), "{name} has no twin");
    }
    let scenario = Scenario::load(OF_THE_DEMO).expect("it is there");
    assert_eq!(scenario.first.roles(4).expect("four").lead, "norden");
    assert_eq!(scenario.first.roles(6).expect("six").observing.len(), 3);
    assert!(scenario.first.roles(3).is_err());
}

/// A scenario with one change is refused, at its line, in these words.
fn wrong(of: &str, from: &str, to: &str, words: &str) {
    let at = of.find(from).unwrap_or_else(|| panic!("{from:?} is not there"));
    let line = of[..at].matches('\n').count() + 1;
    let text = of.replacen(from, to, 1);
    let said = Scenario::parse(&text, "x", "x.toml").expect_err("a mistake").to_string();
    let place = format!("x.toml:{line}: ");
    assert!(said.starts_with(&place) && said.contains(words), "{place}{words} is not\n{said}");
    assert!(said.contains("\n  next: correct line"), "{said}");
}

#[test]
fn typos_are_named_with_their_place() {
    let wrong = |from: &str, to: &str, words: &str| wrong(text_of(OF_THE_DEMO), from, to, words);
    wrong(
        "kill = \"skywatch\"\n",
        "kil = \"skywatch\"\n",
        "step 3: no step is called \"kil\"; did you mean \"kill\"?",
    );
    wrong("role = \"lead\"", "rolle = \"lead\"", "rolle");
    wrong("kill = \"skywatch\"", "kill = \"skywalk\"", "step 3 (kill): no partner \"skywalk\"");
    wrong("kill = \"skywatch\"", "kill = \"skywach\"", "did you mean \"skywatch\"?");
    wrong(
        "open = \"morning\"",
        "open = \"mourning\"",
        "no operation \"mourning\" is declared; there are: evening, morning",
    );
    wrong("template = \"airlift\"", "template = \"airlfit\"", "no template \"airlfit\"; there are: airlift");
    wrong("by = \"norden\"\ntype", "by = \"nordne\"\ntype", "no partner \"nordne\"");
    wrong("role = \"observing\"", "role = \"obsevring\"", "obsevring");
    wrong("restart = \"skywatch\"", "restart = \"norden\"", "norden runs already at this step");
    wrong("agreed = \"morning\"", "agreed = \"evening\"", "operation \"evening\" is not open yet");
    wrong("cut = [\"norden\", \"skywatch\"]", "cut = [\"norden\", \"norden\"]", "no link with itself");
    wrong("stance = \"endorse\"", "stance = \"endrose\"", "endrose");
}

/// Two partners, with these steps.
fn two(steps: &str) -> String {
    format!(
        "name = \"x\"\ntemplate = \"airlift\"\n[[partner]]\nname = \"a\"\nrole = \"lead\"\n[[partner]]\nname = \"b\"\n{steps}"
    )
}

#[test]
fn steps_that_cannot_be_are_named_with_what_can() {
    let step = "[[step]]\nrun = { by = \"a\", args = [\"note\", \"{coalition}\"], keep = { n = \"id\" } }\n[[step]]\nrun = { by = \"b\", args = [\"{n}\"] }\n";
    let good = two(step);
    Scenario::parse(&good, "x", "x.toml").expect("it is whole");
    wrong(
        &good,
        "run = { by = \"b\", args = [\"{n}\"]",
        "run = { by = \"b\", args = [\"{m}\"]",
        "step 2 (run): no variable \"m\" is declared; there are: coalition",
    );
    let edit =
        format!("{good}[[step]]\nedit = {{ file = \"x\", set = {{ list = [{{ key = \"{{n}}\" }}] }} }}\n");
    Scenario::parse(&edit, "x", "x.toml").expect("it is whole");
    wrong(
        &edit,
        "edit = { file = \"x\", set = { list = [{ key = \"{n}\"",
        "edit = { file = \"x\", set = { list = [{ key = \"{m}\"",
        "step 3 (edit): no variable \"m\" is declared",
    );
    wrong(
        &good,
        "run = { by = \"a\", args",
        "run = { by = \"a\", agrs",
        "step 1: run: unknown field `agrs`, expected one of `by`, `args`",
    );
    wrong(&good, "run = { by = \"b\"", "say = \"x\"\nrun = { by = \"b\"", "a step does one thing");
    wrong(
        &two("[[step]]\nsplit = [[\"a\"]]\n"),
        "split",
        "split",
        "everybody stands in one of two or more groups; missing: b",
    );
    wrong(
        &two("[[step]]\ncopy = { of = \"a\", as = \"c\" }\n"),
        "copy",
        "copy",
        "a store is copied while its node is down",
    );
    wrong(&two("[[step]]\nheal = \"every\"\n"), "heal", "heal", "two partners, or \"all\"");
    wrong(&two("[[step]]\nexpect = { at = \"al\", args = [] }\n"), "expect", "expect", "no partner \"al\"");
}

#[test]
fn names_of_two_coalitions_are_kept_apart() {
    let other = "[[coalition]]\nname = \"other\"\ntemplate = \"convoy\"\n[[coalition.partner]]\nname = \"a\"\nrole = \"lead\"\n[[coalition.partner]]\nname = \"c\"\n";
    let good = two(&format!(
        "{other}[[operation]]\nid = \"o\"\nby = \"other.a\"\ntype = \"convoy\"\ntitle = \"x\"\n\
         [[step]]\nopen = \"o\"\n[[step]]\nsplit = [[\"other.a\"], [\"other.c\"]]\n\
         [[step]]\nexpect = {{ at = \"other.everyone\", args = [\"status\"] }}\n\
         [[step]]\nrun = {{ by = \"a\", args = [\"{{other.coalition}}\", \"{{partner.other.c.root}}\", \"{{other.draft}}\"] }}\n\
         [[step]]\nhost = {{ of = \"other.c\", as = \"other.c-2\" }}\n[[step]]\nrestart = \"other.c-2\"\n\
         [[step]]\nsay = \"{{partner.other.c-2.node}}\"\n"
    ));
    let scenario = Scenario::parse(&good, "x", "x.toml").expect("it is whole");
    assert_eq!((scenario.coalitions().count(), scenario.partners()), (2, 4));
    let wrong = |from: &str, to: &str, words: &str| wrong(&good, from, to, words);
    wrong("name = \"other\"", "name = \"a\"", "coalition \"a\" must be a new name");
    wrong("name = \"other\"", "name = \"op\"", "coalition \"op\" must be a new name");
    wrong("name = \"other\"", "name = \"o.p\"", "coalition \"o.p\" must be a new name");
    wrong("template = \"convoy\"", "template = \"convoi\"", "no template \"convoi\"");
    wrong("name = \"other\"\ntemplate = \"convoy\"", "name = \"other\"", "a template, or a [charter]");
    wrong(
        "by = \"other.a\"",
        "by = \"other.b\"",
        "no partner \"other.b\" is declared; there are: a, b, other.a",
    );
    wrong("by = \"other.a\"", "by = \"othr.a\"", "did you mean \"other.a\"?");
    wrong("split = [[\"other.a\"]", "split = [[\"a\"]", "a and other.c are of two coalitions");
    wrong("split = [[\"other.a\"], [\"other.c\"]]", "cut = [\"a\", \"other.c\"]", "are of two coalitions");
    wrong("split = [[\"other.a\"], [\"other.c\"]]", "split = [[\"other.a\"]]", "missing: other.c");
    wrong("\"other.everyone\"", "\"othr.everyone\"", "no coalition \"othr\" is declared; there are: other");
    wrong("as = \"other.c-2\"", "as = \"c-2\"", "must be in the coalition of other.c: \"other.c-2\"");
    wrong("as = \"other.c-2\"", "as = \"other.c\"", "\"other.c\" must be a new name");
    wrong("{other.draft}", "{others.draft}", "no variable \"others.draft\" is declared");
}

#[test]
fn a_twin_may_change_what_is_prepared_but_fails_at_a_step() {
    let good = two(
        "[[prepare]]\nid = \"first\"\nsay = \"x\"\n[[step]]\nid = \"last\"\nsay = \"y\"\n[twin]\ntells = \"t\"\nreplace = \"first\"\nstep = { say = \"z\" }\nfails_at = \"last\"\nbecause = \"z\"\n",
    );
    let twin = Scenario::parse(&good, "x", "x.toml").expect("it is whole").as_twin().expect("there is one");
    assert!(matches!(&twin.prepare[0].step, Step::Say(text) if text == "z"));
    let lost = good.replace("id = \"last\"", "id = \"lost\"");
    wrong(&lost, "[twin]", "[twin]", "no step has the id \"last\"; there are: first, lost");
    let early = good.replace("fails_at = \"last\"", "fails_at = \"first\"");
    wrong(&early, "[twin]", "[twin]", "\"first\" is prepared: it fails at one of the steps");
}

#[test]
fn twins_that_change_nothing_or_name_no_step_are_refused() {
    let twin = |rest: &str| {
        two(&format!(
            "[[step]]\nid = \"first\"\nsay = \"x\"\n[[step]]\nid = \"last\"\nsay = \"y\"\n[twin]\ntells = \"t\"\n{rest}"
        ))
    };
    let good = twin("drop = \"first\"\nfails_at = \"last\"\nbecause = \"z\"\n");
    let scenario = Scenario::parse(&good, "x", "x.toml").expect("it is whole");
    assert_eq!(scenario.as_twin().expect("there is one").steps.len(), 1);
    wrong(&good, "[twin]", "[twin]\nreplace = \"last\"", "one change: drop");
    wrong(
        &twin("drop = \"frist\"\nfails_at = \"last\"\nbecause = \"z\"\n"),
        "[twin]",
        "[twin]",
        "no step has the id \"frist\"; there are: first, last",
    );
    wrong(
        &twin("drop = \"last\"\nfails_at = \"last\"\nbecause = \"z\"\n"),
        "[twin]",
        "[twin]",
        "\"last\" is dropped, so it cannot be the step that fails",
    );
    wrong(
        &twin("drop = \"first\"\nfails_at = \"last\"\nbecause = \"\"\n"),
        "[twin]",
        "[twin]",
        "because must not be empty",
    );
    let added = twin("after = \"first\"\nstep = { say = \"added\" }\nfails_at = \"last\"\nbecause = \"z\"\n");
    let twin = Scenario::parse(&added, "x", "x.toml").expect("it is whole").as_twin().expect("there is one");
    assert_eq!(twin.steps.iter().map(|placed| placed.number).collect::<Vec<_>>(), [1, 0, 2]);
}

#[test]
fn a_scenario_that_is_not_there_is_told_from_those_that_are_built_in() {
    let said = Scenario::load("two-coridors").expect_err("not there").to_string();
    assert!(said.contains("no scenario two-coridors: there is no such file, and built in are"), "{said}");
    assert!(
        said.contains("did you mean two-corridors?") && said.contains("next: entente-testnet scenario list"),
        "{said}"
    );
}
