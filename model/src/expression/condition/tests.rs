use crate::{
    error::ValidationScope,
    expression::{
        BRACKET_DEPTH_MAX, ConditionExpression, ExpressionKind,
        test_support::{
            Placeholders, b, bs, condition, item, l, m, message, n, ns, s, schema, ss,
            value_of_each_type,
        },
    },
    key::ScalarType,
    value::{AttributeValue, Item},
};

/// The message of parsing a condition with these placeholders defined:
/// `#n` = name, `#dotted` = a.b, and a value of each type, `:s :n :b :ss :ns :bs :l :m :bool :null`.
fn error_of(text: &str) -> String {
    let values: Vec<(&str, AttributeValue)> = [
        ":s", ":n", ":b", ":ss", ":ns", ":bs", ":l", ":m", ":bool", ":null",
    ]
    .into_iter()
    .zip(value_of_each_type())
    .collect();
    let placeholders = Placeholders::new(&[("#n", "name"), ("#dotted", "a.b")], &values);
    let result =
        ConditionExpression::parse(ExpressionKind::Condition, text, &placeholders.context());
    match result {
        Err(error) => {
            assert_eq!(error.scope, ValidationScope::Request, "{text}");
            error.message.unwrap()
        }
        Ok(_) => "ok".to_owned(),
    }
}

fn check_error(text: &str, expected: &str) {
    assert_eq!(
        error_of(text),
        format!("Invalid ConditionExpression: {expected}"),
        "{text}"
    );
}

fn check_syntax_error(text: &str, token: &str, near: &str) {
    check_error(
        text,
        &format!("Syntax error; token: \"{token}\", near: \"{near}\""),
    );
}

fn check_ok(text: &str) {
    assert_eq!(error_of(text), "ok", "{text}");
}

#[test]
fn syntax_errors_name_the_token_and_its_surroundings() {
    check_syntax_error("foo", "<EOF>", "foo");
    check_syntax_error("foo  ", "<EOF>", "foo");
    check_syntax_error("INVALID SYNTAX", "SYNTAX", "INVALID SYNTAX");
    check_syntax_error("!!", "!", "!!");
    check_syntax_error("a-b", "-", "a-b");
    check_syntax_error("a $ b", "$", "a $ b");
    check_syntax_error(
        "#n attribute_not_exists :s",
        "attribute_not_exists",
        "#n attribute_not_exists :s",
    );
    check_syntax_error("tenantAgent:abc123-", ":abc123", "tenantAgent:abc123-");
    check_syntax_error("contains(a, :s", "<EOF>", ":s");
    check_syntax_error("attribute_not_exists(", "<EOF>", "(");
    check_syntax_error("size() > :n", ")", "() >");
    check_syntax_error("a = 4", "4", "= 4");
    check_syntax_error("a = ", "<EOF>", "=");
    check_syntax_error("a == :s", "=", "== :s");
    check_syntax_error("a[:n] = :s", ":n", "[:n]");
    check_syntax_error("a[#n] = :s", "#n", "[#n]");
    check_syntax_error("a[] = :s", "]", "[] =");
    check_syntax_error("a[-1] = :s", "-", "[-1");
    check_syntax_error("a. = :s", "=", ". = :s");
    check_syntax_error("_a = :s", "_a", "_a =");
    check_syntax_error("1a = :s", "1", "1a");
    check_syntax_error("a = :s AND", "<EOF>", "AND");
    check_syntax_error("a = :s AND OR b = :s", "OR", "AND OR b");
    check_syntax_error("AND = :s", "AND", "AND =");
    check_syntax_error("NOT a", "<EOF>", "a");
    check_syntax_error("(a = :s", "<EOF>", ":s");
    check_syntax_error("a = :s)", ")", ":s)");
    check_syntax_error("a = (b = :s)", "=", "b = :s");
    check_syntax_error("a = :s b = :s", "b", ":s b =");
    check_syntax_error("a IN ()", ")", "()");
    check_syntax_error("a IN :s", ":s", "IN :s");
    check_syntax_error("a BETWEEN :n OR :n", "OR", ":n OR :n");
    check_syntax_error("size(a)[0] > :n", "[", ")[0");
    check_syntax_error("a = :n + :n", "+", ":n + :n");
    check_syntax_error("a = :s ; b", ";", ":s ; b");
}

#[test]
fn keywords_have_no_case_and_function_names_have() {
    check_ok("a = :s and not b Between :n aNd :n oR c in (:s)");
    check_error(
        "Contains(a, :s)",
        "Invalid function name; function: Contains",
    );
    check_error("SIZE(a) > :n", "Invalid function name; function: SIZE");
}

#[test]
fn blanks_are_free() {
    check_ok("\t a\r\n= :s\nAND(b<>:s)OR size ( c )>:n");
}

#[test]
fn size_and_emptiness_are_checked_before_parsing() {
    check_error("", "The expression can not be empty;");
    check_error("  ", "The expression can not be empty;");
    let long = "!".repeat(4_097);
    check_error(
        &long,
        "Expression size has exceeded the maximum allowed size; expression size: 4097",
    );
    check_ok(&format!("{} = :s", "a".repeat(4_091)));
}

#[test]
fn more_than_300_operators_are_refused() {
    let comparisons = |count: usize| vec!["a=:s"; count].join(" OR ");
    check_ok(&format!("NOT({})", comparisons(150)));
    check_error(
        &comparisons(151),
        "The expression contains too many operators; operator count: 301",
    );
    check_ok(&format!("{}attribute_exists(a)", "NOT ".repeat(300)));
    check_error(
        &format!("{}attribute_exists(a)", "NOT ".repeat(301)),
        "The expression contains too many operators; operator count: 301",
    );
}

#[test]
fn a_group_that_is_only_another_group_is_redundant() {
    let message = "The expression has redundant parentheses;";
    check_error("((a = :s))", message);
    check_error("b = :s AND ((a = :s))", message);
    check_error("((a)) = :s", message);
    check_error("a = ((:s))", message);
    check_error("contains(a, ((:s)))", message);
    check_ok("(a = :s)");
    check_ok("((a = :s) AND (b = :s))");
    check_ok("(NOT (a = :s))");
    check_ok("(a) = (:s)");
    check_ok("((size(a)) > b.c)");
    check_ok("(contains(a, :s))");
}

#[test]
fn reserved_words_are_refused_bare_in_any_case_and_fine_behind_a_placeholder() {
    let message =
        |word: &str| format!("Attribute name is a reserved keyword; reserved keyword: {word}");
    check_error("status = :s", &message("status"));
    check_error("a.Status = :s", &message("Status"));
    check_error("attribute_exists(YEAR)", &message("YEAR"));
    check_error("a IN (b, zone)", &message("zone"));
    check_ok("#n = :s");
    check_ok("statuses = :s");
    // A syntax error further on comes first, and so does an unknown function.
    check_syntax_error("status = 1", "1", "= 1");
    check_error(
        "status = :s AND dog(a)",
        "Invalid function name; function: dog",
    );
}

#[test]
fn functions_are_refused_where_they_do_not_belong() {
    let misused = |name: &str| {
        format!(
            "The function is not allowed to be used this way in an expression; function: {name}"
        )
    };
    check_error("dog(a)", "Invalid function name; function: dog");
    check_error("_dog(a)", "Invalid function name; function: _dog");
    check_error("size(a)", &misused("size"));
    check_error("NOT size(a)", &misused("size"));
    check_error("attribute_exists(a) = :bool", &misused("attribute_exists"));
    check_error("contains(contains(a, :s), :s)", &misused("contains"));
    check_error("a IN (begins_with(b, :s))", &misused("begins_with"));
    check_error(
        "if_not_exists(a, :s)",
        "The function is not allowed in a condition expression; function: if_not_exists",
    );
    check_error(
        "a = list_append(a, :l)",
        "The function is not allowed in a condition expression; function: list_append",
    );
}

#[test]
fn placeholders_must_be_defined() {
    check_error(
        "#x = :s",
        "An expression attribute name used in the document path is not defined; \
         attribute name: #x",
    );
    check_error(
        "a.#x = :s",
        "An expression attribute name used in the document path is not defined; \
         attribute name: #x",
    );
    check_error(
        "a = :v",
        "An expression attribute value used in expression is not defined; attribute value: :v",
    );
}

#[test]
fn the_number_of_arguments_is_checked() {
    let message = |name: &str, count: usize| {
        format!(
            "Incorrect number of operands for operator or function; operator or function: {name}, \
             number of operands: {count}"
        )
    };
    check_error("attribute_exists(a, b)", &message("attribute_exists", 2));
    check_error(
        "attribute_not_exists(a, b, c)",
        &message("attribute_not_exists", 3),
    );
    check_error("attribute_type(a)", &message("attribute_type", 1));
    check_error("begins_with(a)", &message("begins_with", 1));
    check_error("contains(a, b, c)", &message("contains", 3));
    check_error("size(a, b) > :n", &message("size", 2));
}

#[test]
fn the_first_operand_must_be_distinct_from_the_others() {
    let message = |operator: &str, path: &str| {
        format!(
            "The first operand must be distinct from the remaining operands for this operator or \
             function; operator: {operator}, first operand: {path}"
        )
    };
    check_error("contains(a, a)", &message("contains", "[a]"));
    check_error(
        "contains(a.b[1], a.b[1])",
        &message("contains", "[a, b, [1]]"),
    );
    check_error("contains(#n, #n)", &message("contains", "[name]"));
    check_error("begins_with(a, a)", &message("begins_with", "[a]"));
    check_error("a = a", &message("=", "[a]"));
    check_error("a IN (b, a)", &message("IN", "[a]"));
    check_ok("a.b = #dotted");
    check_ok("contains(:s, :s)");
}

#[test]
fn paths_are_bounded() {
    check_ok(&format!("a{} = :s", ".b".repeat(31)));
    check_error(
        &format!("a{} = :s", "[0]".repeat(32)),
        "The document path has too many nesting levels; nesting levels: 33",
    );
    check_ok("a[2147483647] = :s");
    check_error(
        "a[2147483648] = :s",
        "List index is not within the allowable range; index: [2147483648]",
    );
    check_error(
        "a[999999999999999999999] = :s",
        "List index is not within the allowable range; index: [999999999999999999999]",
    );
}

#[test]
fn values_without_order_cannot_be_ordered() {
    for operator in ["<", "<=", ">", ">="] {
        for (name, type_name) in [
            (":ss", "SS"),
            (":ns", "NS"),
            (":bs", "BS"),
            (":l", "L"),
            (":m", "M"),
            (":bool", "BOOL"),
            (":null", "NULL"),
        ] {
            let expected = format!(
                "Incorrect operand type for operator or function; operator or function: \
                 {operator}, operand type: {type_name}"
            );
            check_error(&format!("a {operator} {name}"), &expected);
            check_error(&format!("{name} {operator} a"), &expected);
            check_ok(&format!("a = {name}"));
            check_ok(&format!("a <> {name}"));
            check_ok(&format!("a IN ({name})"));
        }
        check_ok(&format!(
            "a {operator} :s AND a {operator} :n AND :b {operator} a"
        ));
    }
    check_error(
        "a BETWEEN :l AND :s",
        "Incorrect operand type for operator or function; operator or function: BETWEEN, \
         operand type: L",
    );
}

#[test]
fn between_bounds_in_the_request_must_fit() {
    let placeholders = Placeholders::new(
        &[],
        &[
            (":a", s("a")),
            (":b", s("b")),
            (":one", n("1")),
            (":two", n("2")),
            (":x", b(b"x")),
        ],
    );
    let error = |text: &str| {
        message(ConditionExpression::parse(
            ExpressionKind::Filter,
            text,
            &placeholders.context(),
        ))
    };
    assert_eq!(
        error("a BETWEEN :b AND :one"),
        "Invalid FilterExpression: The BETWEEN operator requires same data type for lower and \
         upper bounds; lower bound operand: AttributeValue: {S:b}, upper bound operand: \
         AttributeValue: {N:1}"
    );
    assert_eq!(
        error("a BETWEEN :b AND :a"),
        "Invalid FilterExpression: The BETWEEN operator requires upper bound to be greater than or \
         equal to lower bound; lower bound operand: AttributeValue: {S:b}, upper bound operand: \
         AttributeValue: {S:a}"
    );
    assert!(error("a BETWEEN :two AND :one").contains("{N:2}, upper bound operand"));
    assert!(error("a BETWEEN :x AND :one").contains("AttributeValue: {B:eA==}"));
    check_ok("a BETWEEN :n AND :n");
    check_ok("a BETWEEN b AND :n");
    check_ok("a BETWEEN size(b) AND :s");
}

#[test]
fn operand_types_of_functions_are_checked() {
    let wrong = |function: &str, type_name: &str| {
        format!(
            "Incorrect operand type for operator or function; operator or function: {function}, \
             operand type: {type_name}"
        )
    };
    let path_needed = |function: &str| {
        format!("Operator or function requires a document path; operator or function: {function}")
    };
    check_error("attribute_exists(:s)", &path_needed("attribute_exists"));
    check_error(
        "attribute_not_exists(size(a))",
        &path_needed("attribute_not_exists"),
    );
    check_error("begins_with(a, :n)", &wrong("begins_with", "N"));
    check_error("begins_with(:l, a)", &wrong("begins_with", "L"));
    check_error("begins_with(a, size(b))", &wrong("begins_with", "N"));
    check_ok("begins_with(:s, a)");
    check_ok("begins_with(:b, :b)");
    check_error("attribute_type(a, :n)", &wrong("attribute_type", "N"));
    check_error(
        "attribute_type(a, b)",
        &wrong("attribute_type", "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"),
    );
    check_error(
        "attribute_type(a, :s)",
        "Invalid attribute type name found; type: abc, \
         valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
    );
    for (value, type_name) in [(":n", "N"), (":bool", "BOOL"), (":null", "NULL")] {
        check_error(&format!("size({value}) > :n"), &wrong("size", type_name));
    }
    check_error("size(size(a)) > :n", &wrong("size", "N"));
    check_error("contains(size(:n), :s)", &wrong("size", "N"));
    for value in [":s", ":b", ":ss", ":ns", ":bs", ":l", ":m"] {
        check_ok(&format!("size({value}) > :n"));
    }
}

#[test]
fn in_takes_100_candidates() {
    check_ok(&format!("a IN ({})", vec![":s"; 100].join(",")));
    check_error(
        &format!("a IN ({})", vec![":s"; 101].join(",")),
        "The IN operator is provided with too many operands; number of operands: 101",
    );
}

#[test]
fn depth_is_an_error_and_never_a_stack_overflow() {
    for text in [
        "(".repeat(4_096),
        "NOT(".repeat(1_024),
        "size(".repeat(819),
        "a IN(".repeat(800),
        format!("{}a=:s{}", "(".repeat(2_046), ")".repeat(2_046)),
        format!("{}a=:s{}", "NOT(".repeat(800), ")".repeat(800)),
        format!("{}a=:s{}", "(a=:s OR".repeat(400), ")".repeat(400)),
    ] {
        assert!(
            error_of(&text).starts_with("Invalid ConditionExpression: "),
            "{text:.20}"
        );
    }
    // The deepest legal nesting parses, evaluates and drops.
    let deep = format!(
        "{}attribute_exists(a){}",
        "NOT(".repeat(300),
        ")".repeat(300)
    );
    assert!(!condition(&deep, &[]).evaluate(None));
    let mixed = format!("{}a=:s{}", "(b=:s OR NOT ".repeat(99), ")".repeat(99));
    assert!(!condition(&mixed, &[(":s", s("x"))]).evaluate(Some(&item(&[("a", s("x"))]))));
    const { assert!(BRACKET_DEPTH_MAX > 300) };
}

#[test]
fn precedence_is_not_then_and_then_or() {
    for bits in 0..8_u8 {
        let [a, b, c] = [bits & 1 > 0, bits & 2 > 0, bits & 4 > 0];
        let item = item(&[
            ("a", AttributeValue::Bool(a)),
            ("b", AttributeValue::Bool(b)),
            ("c", AttributeValue::Bool(c)),
        ]);
        let check = |text: &str, expected: bool| {
            let condition = condition(text, &[(":t", AttributeValue::Bool(true))]);
            assert_eq!(
                condition.evaluate(Some(&item)),
                expected,
                "{text} {a} {b} {c}"
            );
        };
        check("a = :t OR b = :t AND c = :t", a || b && c);
        check("a = :t AND b = :t OR c = :t", a && b || c);
        check("(a = :t OR b = :t) AND c = :t", (a || b) && c);
        check("NOT a = :t AND b = :t", !a && b);
        check("NOT (a = :t AND b = :t)", !(a && b));
        check("NOT NOT a = :t OR NOT b = :t", a || !b);
        check(
            "a = :t AND NOT b = :t AND c = :t OR NOT NOT NOT a = :t",
            !a || !b && c,
        );
    }
}

fn check_eval(text: &str, values: &[(&str, AttributeValue)], item: &Item, expected: bool) {
    assert_eq!(
        condition(text, values).evaluate(Some(item)),
        expected,
        "{text}"
    );
}

#[test]
fn equality_is_deep_typed_and_numeric() {
    let stored = item(&[
        ("n", n("1.0")),
        ("many", ns(&["1", "2"])),
        ("deep", l(&[m(&[("x", ss(&["a", "b"]))])])),
        ("line", l(&[n("1"), n("2")])),
    ]);
    check_eval("n = :v", &[(":v", n("1e0"))], &stored, true);
    check_eval("n = :v", &[(":v", s("1"))], &stored, false);
    check_eval("many = :v", &[(":v", ns(&["2", "1.00"]))], &stored, true);
    check_eval(
        "deep = :v",
        &[(":v", l(&[m(&[("x", ss(&["b", "a"]))])]))],
        &stored,
        true,
    );
    check_eval("line = :v", &[(":v", l(&[n("2"), n("1")]))], &stored, false);
    check_eval("deep[0].x = :v", &[(":v", ss(&["b", "a"]))], &stored, true);
}

#[test]
fn equality_over_all_pairs_of_types() {
    let values = value_of_each_type();
    for (left_place, left) in values.iter().enumerate() {
        for (right_place, right) in values.iter().enumerate() {
            let stored = item(&[("a", left.clone())]);
            let equal = left_place == right_place;
            let given = [(":v", right.clone())];
            check_eval("a = :v", &given, &stored, equal);
            check_eval("a <> :v", &given, &stored, !equal);
            check_eval("a IN (:v)", &given, &stored, equal);
        }
    }
}

#[test]
fn order_over_all_pairs_of_types_is_false_unless_both_are_of_one_ordered_type() {
    let values = value_of_each_type();
    for (left_place, left) in values.iter().enumerate() {
        for (right_place, right) in values.iter().enumerate() {
            let stored = item(&[("a", left.clone()), ("b", right.clone())]);
            let ordered = left_place == right_place && left_place < 3;
            check_eval("a <= b", &[], &stored, ordered);
            check_eval("a >= b", &[], &stored, ordered);
            check_eval("a < b", &[], &stored, false);
            check_eval("a > b", &[], &stored, false);
            check_eval("a BETWEEN b AND b", &[], &stored, ordered);
        }
    }
}

#[test]
fn strings_are_ordered_by_bytes_and_binaries_unsigned() {
    // In UTF-16 the first would come last.
    check_eval(
        "a < b",
        &[],
        &item(&[("a", s("\u{e000}")), ("b", s("\u{10000}"))]),
        true,
    );
    check_eval(
        "a < b",
        &[],
        &item(&[("a", b(&[0x7f])), ("b", b(&[0x80]))]),
        true,
    );
    check_eval("a < b", &[], &item(&[("a", s("Z")), ("b", s("a"))]), true);
    check_eval("a < b", &[], &item(&[("a", n("-10")), ("b", n("9"))]), true);
}

#[test]
fn missing_attributes_are_false_except_for_inequality_and_absence() {
    let empty = Item::new();
    let given = [(":v", s("x"))];
    for (text, expected) in [
        ("a = :v", false),
        ("a = b", false),
        ("a <> :v", true),
        ("a <> b", true),
        ("a < :v", false),
        (":v >= a", false),
        ("a BETWEEN :v AND :v", false),
        (":v BETWEEN a AND :v", false),
        ("a IN (:v)", false),
        (":v IN (a)", false),
        ("a IN (b)", false),
        ("size(a) = :v", false),
        ("size(a) <> :v", true),
        ("begins_with(a, :v)", false),
        ("begins_with(:v, a)", false),
        ("contains(a, :v)", false),
        ("contains(:v, a)", false),
        ("attribute_exists(a)", false),
        ("attribute_not_exists(a)", true),
        ("attribute_exists(a.b[0])", false),
        ("attribute_not_exists(a.b[0])", true),
        ("NOT a = :v", true),
    ] {
        let values = if text.contains(":v") { &given[..] } else { &[] };
        let condition = condition(text, values);
        assert_eq!(condition.evaluate(Some(&empty)), expected, "{text}");
        assert_eq!(condition.evaluate(None), expected, "{text} on no item");
    }
    let type_name = [(":t", s("S"))];
    assert!(!condition("attribute_type(a, :t)", &type_name).evaluate(None));
}

#[test]
fn a_null_attribute_exists() {
    let stored = item(&[("a", m(&[("b", AttributeValue::Null)]))]);
    check_eval("attribute_exists(a.b)", &[], &stored, true);
    check_eval("attribute_not_exists(a.c)", &[], &stored, true);
    check_eval("attribute_exists(a[0])", &[], &stored, false);
}

#[test]
fn attribute_type_over_all_types() {
    let names = ["S", "N", "B", "SS", "NS", "BS", "L", "M", "BOOL", "NULL"];
    for (place, value) in value_of_each_type().into_iter().enumerate() {
        let stored = item(&[("a", value.clone())]);
        for (named, name) in names.into_iter().enumerate() {
            check_eval(
                "attribute_type(a, :t)",
                &[(":t", s(name))],
                &stored,
                place == named,
            );
            check_eval(
                "attribute_type(:v, :t)",
                &[(":t", s(name)), (":v", value.clone())],
                &stored,
                place == named,
            );
        }
    }
}

#[test]
fn size_over_all_types() {
    let sizes = [
        Some(3),
        None,
        Some(3),
        Some(2),
        Some(2),
        Some(2),
        Some(2),
        Some(1),
        None,
        None,
    ];
    for (value, size) in value_of_each_type().into_iter().zip(sizes) {
        let stored = item(&[("a", value)]);
        for candidate in 0..5 {
            let given = [(":n", n(&candidate.to_string()))];
            check_eval("size(a) = :n", &given, &stored, size == Some(candidate));
            let above = size.is_some_and(|size| size > candidate);
            check_eval("size(a) > :n", &given, &stored, above);
        }
    }
    // A character outside of the basic plane counts twice.
    check_eval(
        "size(a) = :n",
        &[(":n", n("3"))],
        &item(&[("a", s("x\u{1F600}"))]),
        true,
    );
    check_eval(
        "size(a) = :n",
        &[(":n", n("0"))],
        &item(&[("a", m(&[]))]),
        true,
    );
    check_eval(
        "size(a) = size(b)",
        &[],
        &item(&[("a", s("xy")), ("b", b(b"ab"))]),
        true,
    );
}

#[test]
fn begins_with_over_all_pairs_of_types() {
    for (left_place, left) in value_of_each_type().iter().enumerate() {
        for (right_place, right) in value_of_each_type().iter().enumerate() {
            let stored = item(&[("a", left.clone()), ("b", right.clone())]);
            let expected = left_place == right_place && (left_place == 0 || left_place == 2);
            check_eval("begins_with(a, b)", &[], &stored, expected);
        }
    }
    let stored = item(&[("a", s("abc")), ("b", b(&[0, 255, 1]))]);
    check_eval("begins_with(a, :v)", &[(":v", s("ab"))], &stored, true);
    check_eval("begins_with(a, :v)", &[(":v", s(""))], &stored, true);
    check_eval("begins_with(a, :v)", &[(":v", s("bc"))], &stored, false);
    check_eval("begins_with(b, :v)", &[(":v", b(&[0, 255]))], &stored, true);
    check_eval("begins_with(:v, a)", &[(":v", s("abcd"))], &stored, true);
}

#[test]
fn contains_over_all_pairs_of_types() {
    // S in S, B in B; the sets and the list hold other members than these values.
    for (left_place, left) in value_of_each_type().iter().enumerate() {
        for (right_place, right) in value_of_each_type().iter().enumerate() {
            let stored = item(&[("a", left.clone()), ("b", right.clone())]);
            let expected = left_place == right_place && (left_place == 0 || left_place == 2);
            check_eval("contains(a, b)", &[], &stored, expected);
            check_eval(
                "contains(a, :v)",
                &[(":v", right.clone())],
                &stored,
                expected,
            );
        }
    }
    let stored = item(&[
        ("s", s("héllo")),
        ("b", b(&[1, 2, 1, 2, 1, 3])),
        ("ss", ss(&["a", "b"])),
        ("ns", ns(&["1", "2"])),
        ("bs", bs(&[b"a"])),
        (
            "l",
            l(&[s("a"), n("1"), ss(&["x", "y"]), AttributeValue::Null]),
        ),
    ]);
    for (path, value, expected) in [
        ("s", s("éll"), true),
        ("s", s(""), true),
        ("s", s("x"), false),
        ("b", b(&[1, 2, 1, 3]), true),
        ("b", b(&[2, 2]), false),
        ("b", b(&[]), true),
        ("ss", s("a"), true),
        ("ss", s("c"), false),
        ("ss", n("1"), false),
        ("ns", n("2.0"), true),
        ("ns", s("2"), false),
        ("bs", b(b"a"), true),
        ("l", s("a"), true),
        ("l", n("1.0"), true),
        ("l", ss(&["y", "x"]), true),
        ("l", AttributeValue::Null, true),
        ("l", AttributeValue::Bool(true), false),
    ] {
        check_eval(
            &format!("contains({path}, :v)"),
            &[(":v", value)],
            &stored,
            expected,
        );
    }
}

#[test]
fn a_name_placeholder_is_one_path_element_whatever_it_holds() {
    let placeholders = Placeholders::new(&[("#d", "a.b")], &[(":v", n("1"))]);
    let parse = |text: &str| {
        ConditionExpression::parse(ExpressionKind::Filter, text, &placeholders.context()).unwrap()
    };
    let dotted = item(&[("a.b", n("1"))]);
    let nested = item(&[("a", m(&[("b", n("1")), ("a.b", n("1"))]))]);
    assert!(parse("#d = :v").evaluate(Some(&dotted)));
    assert!(!parse("#d = :v").evaluate(Some(&nested)));
    assert!(parse("a.b = :v").evaluate(Some(&nested)));
    assert!(parse("a.#d = :v").evaluate(Some(&nested)));
}

#[test]
fn attributes_are_the_top_level_names_of_all_paths() {
    let condition = condition(
        "attribute_exists(a.x) AND NOT (size(b[0]) > c OR d BETWEEN e AND f) AND g IN (h, :v) \
         AND begins_with(i, j) AND attribute_not_exists(k) AND attribute_type(p, :t)",
        &[(":v", s("x")), (":t", s("S"))],
    );
    let names: Vec<&str> = condition.attributes().into_iter().collect();
    assert_eq!(
        names,
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "p"]
    );
}

#[test]
fn key_attributes_are_refused_where_they_must_not_be() {
    let schema = schema("pk", Some(("sk", ScalarType::N)));
    let nested = condition("attribute_exists(a) AND attribute_exists(pk.x)", &[]);
    let error = nested.check_key_attributes_scalar(&schema).unwrap_err();
    assert_eq!(error.scope, ValidationScope::Bare);
    assert_eq!(
        error.message.unwrap(),
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not \
         allowed: Key: pk"
    );
    let filter = condition("attribute_exists(a) AND size(sk) > a", &[]);
    assert!(filter.check_key_attributes_scalar(&schema).is_ok());
    assert_eq!(
        message(filter.check_no_key_attributes(&schema)),
        "Filter Expression can only contain non-primary key attributes: \
         Primary key attribute: sk"
    );
    assert!(
        condition("a.pk > b.sk", &[])
            .check_no_key_attributes(&schema)
            .is_ok()
    );
}
