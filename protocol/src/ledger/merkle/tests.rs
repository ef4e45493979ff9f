use super::*;

#[test]
fn the_empty_tree_has_the_hash_of_nothing() {
    assert_eq!(Frontier::new().root(), empty_root());
}
