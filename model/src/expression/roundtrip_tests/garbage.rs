//! Text that is no expression: whatever comes, the answer is an error or an expression that works.

use proptest::{collection, prelude::*};

use crate::{
    expression::fuzzing::parse_and_apply,
    value::{AttributeValue, Item},
};

use super::values::item;

/// Pieces of expressions, put together without any sense.
fn pieces() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(vec![
        "a",
        "b",
        "cc",
        "#a",
        "#",
        ":v",
        ":l",
        ":",
        "AND",
        "or",
        "NOT",
        "BETWEEN",
        "IN",
        "SET",
        "REMOVE",
        "ADD",
        "delete",
        "=",
        "<",
        "<>",
        ">=",
        "(",
        ")",
        "((",
        "))",
        "[",
        "]",
        "[0]",
        "[1]",
        ".",
        ",",
        "+",
        "-",
        "0",
        "99999999999999999999",
        "size",
        "size(",
        "contains(",
        "begins_with(",
        "attribute_exists(",
        "attribute_type(",
        "if_not_exists(",
        "list_append(",
        "status",
        "é",
        "\u{0}",
        "\u{10FFFF}",
        "_x",
        "!",
    ]);
    collection::vec((piece, prop_oneof![Just(""), Just(" ")]), 0..40).prop_map(|pieces| {
        pieces
            .into_iter()
            .map(|(piece, blank)| format!("{piece}{blank}"))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        parse_and_apply(&text, &Item::new());
    }

    #[test]
    fn no_sequence_of_pieces_makes_the_parser_or_what_it_parsed_panic(
        text in pieces(),
        item in item(),
    ) {
        parse_and_apply(&text, &item);
    }

    #[test]
    fn no_bytes_make_the_fuzz_target_panic(bytes in collection::vec(any::<u8>(), 0..200)) {
        crate::fuzzing::expressions(&bytes);
    }
}

#[test]
fn the_longest_and_deepest_texts_do_not_overflow() {
    let item = Item::from([("a".to_owned(), AttributeValue::Null)]);
    for unit in [
        "(",
        "NOT ",
        "NOT(",
        "size(",
        "a.",
        "a[0]",
        "a[",
        "contains(",
        "SET a=(",
        "a,",
        "#a.#a,",
    ] {
        parse_and_apply(&unit.repeat(4_096 / unit.len()), &item);
        parse_and_apply(&format!("SET a={}", unit.repeat(4_000 / unit.len())), &item);
    }
}
