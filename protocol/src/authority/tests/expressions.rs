//! One expression, one form: in text, in bytes, within bounds.

use super::*;
use crate::wire;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct File {
    expression: Expression,
}

fn read(text: &str) -> Result<Expression, String> {
    crate::charter::text::from_toml::<File>(&format!("expression = {text}\n"), 100_000)
        .map(|file| file.expression)
}

fn keys(ats: std::ops::Range<usize>) -> Vec<Expression> {
    ats.map(|at| Expression::Key(key(at))).collect()
}

#[test]
fn people_write_expressions_in_any_order_and_read_one() {
    let text = r#"{ needs = 2, of = ["sudria", { of = ["vigil", "host"], needs = 1 }, "norden"], required = ["norden"] }"#;
    let expression = read(text).expect("sound");
    assert_eq!(expression.to_string(), "2 of (norden, sudria, 1 of (host, vigil); norden required)");
    let file = File { expression };
    let written = toml::to_string(&file).expect("TOML");
    assert_eq!(toml::from_str::<File>(&written), Ok(file));
    assert_eq!(read(&format!("\"{}\"", key(3))), Ok(Expression::Key(key(3))));
    assert_eq!(read("\"norden\""), Ok(named("norden")));
}

#[test]
fn what_is_wrong_with_an_expression_is_said_with_its_line() {
    for (text, word) in [
        (r#"{ needs = 0, of = ["a", "b"] }"#, "needs 0 of 2"),
        (r#"{ needs = 3, of = ["a", "b"] }"#, "needs 3 of 2"),
        (r#"{ needs = 1, of = ["a"] }"#, "1 members of a threshold"),
        (r#"{ needs = 2, of = ["a", "b", "a"] }"#, "a stands in two places"),
        (r#"{ needs = 2, of = ["a", { needs = 1, of = ["a", "b"] }] }"#, "a stands in two places"),
        (r#"{ needs = 1, of = ["a", "b"], required = ["c"] }"#, "c is required, but is no member"),
        (r#"{ needs = 1, of = ["a", "b"], required = ["a", "b"] }"#, "2 members are required, but only 1"),
        (r#"{ needs = 1, of = ["a", "b"], of_all = true }"#, "of_all"),
        (r#""ed25519:aaaa""#, "base32"),
        (r#""No Name""#, "no name"),
        ("7", "expected a key"),
    ] {
        let error = read(text).expect_err("wrong");
        assert!(error.starts_with("line 1: ") && error.contains(word), "{text}: {error}");
    }
    // Deeper than allowed, and far deeper than any stack.
    let nested = |depth: usize| {
        let open = (0..depth).map(|at| format!("{{ needs = 1, of = [\"x-{at}\", ")).collect::<String>();
        format!("{open}\"end\"{}", "] }".repeat(depth))
    };
    assert!(read(&nested(MAX_DEPTH)).is_ok());
    assert!(read(&nested(MAX_DEPTH + 1)).expect_err("deep").contains("inside one another"));
    assert!(read(&nested(1_000)).is_err());
}

#[test]
fn bounds_are_named() {
    assert!(Expression::threshold(1, keys(0..MAX_LEAVES), &[]).is_ok());
    assert_eq!(
        Expression::threshold(1, keys(0..MAX_LEAVES + 1), &[]),
        Err(AuthorityError::Bound {
            what: "members of a threshold",
            found: MAX_LEAVES + 1,
            least: 2,
            most: MAX_LEAVES
        })
    );
    let halves = [0..33, 33..66].map(|half| of(1, keys(half)));
    assert!(matches!(
        Expression::threshold(1, halves.to_vec(), &[]),
        Err(AuthorityError::Bound { what: "keys and names in an expression", found: 66, .. })
    ));
    // The longest possible expression is within the limit of bytes.
    let long = |at: usize| named(&format!("{}-{at:02}", "n".repeat(29)));
    let longest = Expression::threshold(1, (0..MAX_LEAVES).map(long).collect(), &[]).expect("within bounds");
    assert!(longest.encode().len() <= MAX_EXPRESSION_BYTES, "{}", longest.encode().len());
}

#[test]
fn bytes_have_one_form_and_damage_is_refused() {
    let inner = of(1, keys(2..4));
    let expression =
        Expression::threshold(2, [keys(0..2), vec![inner.clone(), named("norden")]].concat(), &[inner])
            .expect("canonical");
    let bytes = expression.encode();
    assert_eq!(Expression::decode(&bytes), Ok(expression.clone()));
    for cut in 0..bytes.len() {
        assert!(Expression::decode(&bytes[..cut]).is_err());
    }
    assert!(Expression::decode(&[&bytes[..], &[0]].concat()).is_err());
    // Whatever one byte is changed to: what is still read is canonical.
    for at in 0..bytes.len() {
        for byte in 0..=255 {
            let mut changed = bytes.clone();
            changed[at] = byte;
            if let Ok(read) = Expression::decode(&changed) {
                assert_eq!(read.check(), Ok(()));
                assert_eq!(read.encode(), changed);
            }
        }
    }
    // Members out of order, a required root, a part too many.
    let threshold = |needs: u8, members: &[Vec<u8>]| {
        let mut bytes = vec![
            u8::try_from(1 + members.len()).expect("few"),
            0,
            2,
            needs,
            u8::try_from(members.len()).expect("few"),
        ];
        bytes.extend(members.concat());
        bytes
    };
    let leaf = |text: &str| [&[0, 1, u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    assert_eq!(
        Expression::decode(&threshold(1, &[leaf("a"), leaf("b")])),
        Ok(of(1, vec![named("a"), named("b")]))
    );
    for wrong in [
        threshold(1, &[leaf("b"), leaf("a")]),
        threshold(1, &[leaf("a"), leaf("a")]),
        threshold(3, &[leaf("a"), leaf("b")]),
        threshold(1, &[leaf("a")]),
        [&[1, 1], &leaf("a")[1..]].concat(),
        [&[2][..], &leaf("a"), &leaf("b")].concat(),
        vec![0],
    ] {
        assert!(matches!(Expression::decode(&wrong), Err(wire::WireError::Malformed(_))), "{wrong:?}");
    }
    // A million thresholds inside one another need no stack.
    let mut deep = vec![252];
    deep.extend(200_000u32.to_le_bytes());
    for _ in 0..200_000 {
        deep.extend([0, 2, 1, 2]);
    }
    assert!(wire::decode::<Expression>(&deep, wire::MAX_OBJECT_BYTES).is_err());
}

#[test]
fn drawn_bytes_and_expressions_keep_to_the_one_form() {
    for seed in 0..2_000 {
        let mut rng = Rng::new(seed);
        let bytes = (0..rng.below(120)).map(|_| rng.below(7) as u8).collect::<Vec<_>>();
        if let Ok(read) = Expression::decode(&bytes) {
            assert_eq!(read.encode(), bytes);
        }
        let mut members = keys(0..2 + rng.below(6) as usize);
        let needs = 1 + rng.below(members.len() as u64) as u32;
        let sorted = Expression::threshold(needs, members.clone(), &members[..1]).expect("canonical");
        let first = members[0].clone();
        let turn = rng.below(members.len() as u64) as usize;
        members.rotate_left(turn);
        let turned = Expression::threshold(needs, members, &[first]).expect("canonical");
        assert_eq!(turned.encode(), sorted.encode());
        assert_eq!(Expression::decode(&sorted.encode()), Ok(sorted));
    }
}

#[test]
fn an_extent_is_all_or_a_sorted_list() {
    let kind = |text: &str| text.parse::<KindName>().expect("a name");
    let some = Extent::only(["sealift", "airlift", "airlift"].map(kind));
    assert_eq!(some.to_string(), "airlift, sealift");
    assert!(some.covers("airlift") && !some.covers("convoy") && Extent::All.covers("convoy"));
    let less = Extent::only([kind("airlift")]);
    let none = Extent::only([]);
    for (inner, outer, within) in [
        (&Extent::All, &Extent::All, true),
        (&Extent::All, &some, false),
        (&some, &Extent::All, true),
        (&less, &some, true),
        (&some, &less, false),
        (&none, &less, true),
        (&less, &none, false),
    ] {
        assert_eq!(inner.is_within(outer), within, "{inner} in {outer}");
    }
    for extent in [&Extent::All, &some, &none] {
        assert_eq!(wire::decode::<Extent>(&wire::encode(extent), 100).as_ref(), Ok(extent));
        let text = toml::to_string(&Scope { operations: extent.clone() }).expect("TOML");
        assert_eq!(toml::from_str::<Scope>(&text).map(|scope| scope.operations).as_ref(), Ok(extent));
    }
    let unsorted = wire::encode(&Some(["b", "a"].map(kind).to_vec()));
    assert!(wire::decode::<Extent>(&unsorted, 100).is_err());
    assert!(toml::from_str::<Scope>("operations = \"some\"").is_err());
}
