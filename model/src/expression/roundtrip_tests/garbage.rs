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

/// Half of a usual thread's stack has to do, so that a caller may be deep in its own when it parses.
const STACK_SIZE_BYTES: usize = 1024 * 1024;

#[test]
fn the_longest_and_deepest_texts_do_not_overflow() {
    let deepest = || {
        let item = Item::from([("a".to_owned(), AttributeValue::Null)]);
        for unit in [
            "(",
            "NOT ",
            "NOT(",
            "(NOT ",
            "size(",
            "a.",
            "a[0]",
            "a[",
            "contains(",
            "a IN(",
            "if_not_exists(b,",
            "list_append(",
            "a,",
            "#a.#a,",
        ] {
            parse_and_apply(&unit.repeat(4_096 / unit.len()), &item);
            parse_and_apply(&format!("SET a={}", unit.repeat(4_000 / unit.len())), &item);
        }
        for (open, inner, close, depth) in [
            ("NOT(", "attribute_exists(a)", ")", 300),
            ("(a=:v OR NOT ", "b=:v", ")", 99),
            ("(a=:v AND ", "b=:v OR a=:v", ")", 148),
        ] {
            let text = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            parse_and_apply(&text, &item);
        }
        let fallbacks = "if_not_exists(cc,".repeat(220);
        parse_and_apply(&format!("SET b={fallbacks}:v{}", ")".repeat(220)), &item);
    };
    let thread = std::thread::Builder::new()
        .stack_size(STACK_SIZE_BYTES)
        .spawn(deepest)
        .unwrap();
    thread.join().unwrap();
}
