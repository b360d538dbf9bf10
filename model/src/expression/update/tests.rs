use crate::{
    error::ValidationScope,
    expression::{
        UpdateExpression,
        test_support::{
            Placeholders, bs, item, l, m, message, n, ns, s, schema, ss, update, value_of_each_type,
        },
    },
    key::ScalarType,
    value::{AttributeValue, Item},
};

/// The message of parsing an update with a value of each type defined, as in the tests of conditions.
fn error_of(text: &str) -> String {
    let values: Vec<(&str, AttributeValue)> = [
        ":s", ":n", ":b", ":ss", ":ns", ":bs", ":l", ":m", ":bool", ":null",
    ]
    .into_iter()
    .zip(value_of_each_type())
    .collect();
    let placeholders = Placeholders::new(&[("#n", "name"), ("#a", "a")], &values);
    match UpdateExpression::parse(text, &placeholders.context()) {
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
        format!("Invalid UpdateExpression: {expected}"),
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
    check_syntax_error("SET", "<EOF>", "SET");
    check_syntax_error("SET path = VALUE 1", "1", "VALUE 1");
    check_syntax_error("foo = :s", "foo", "foo =");
    check_syntax_error("SET a = :s,", "<EOF>", ",");
    check_syntax_error("SET a = :s SET", "<EOF>", "SET");
    check_syntax_error("SET a :s", ":s", "a :s");
    check_syntax_error("SET a <> :s", "<>", "a <> :s");
    check_syntax_error("SET a = b + :n + :n", "+", ":n + :n");
    check_syntax_error("SET a = (b + :n) + :n", "+", ") + :n");
    check_syntax_error("SET a = b * :n", "*", "b * :n");
    check_syntax_error("SET a = list_append(b, 0)", "0", ", 0)");
    check_syntax_error("SET a[:n] = :s", ":n", "[:n]");
    check_syntax_error("SET a.1.b = :s", "1", ".1.");
    check_syntax_error("REMOVE :s", ":s", "REMOVE :s");
    check_syntax_error("REMOVE a b", "b", "a b");
    check_syntax_error("ADD a b", "b", "a b");
    check_syntax_error("ADD a = :n", "=", "a = :n");
    check_syntax_error("DELETE a", "<EOF>", "a");
    check_syntax_error("SET remove = :s", "remove", "SET remove =");
    check_syntax_error("SET a = :s REMOVE", "<EOF>", "REMOVE");
    check_syntax_error("SET _a = :s", "_a", "SET _a =");
}

#[test]
fn sections_come_in_any_order_and_case_each_once() {
    check_ok("remove a, b Set c = :s DELETE d :ss add e :n, f :ns");
    for (text, section) in [
        ("SET a = :s SET b = :s", "SET"),
        ("REMOVE a SET b = :s REMOVE c", "REMOVE"),
        ("add a :n Add b :n", "ADD"),
        ("DELETE a :ss DELETE b :ss", "DELETE"),
    ] {
        check_error(
            text,
            &format!("The \"{section}\" section can only be used once in an update expression;"),
        );
    }
}

#[test]
fn limits_are_those_of_all_expressions() {
    check_error("", "The expression can not be empty;");
    check_error(
        &"a".repeat(5_000),
        "Expression size has exceeded the maximum allowed size; expression size: 5000",
    );
    let sums = |count: usize| {
        let all: Vec<String> = (0..count).map(|place| format!("x{place}=b+:n")).collect();
        format!("SET {}", all.join(","))
    };
    check_ok(&sums(300));
    check_error(
        &sums(301),
        "The expression contains too many operators; operator count: 301",
    );
    for text in [
        format!("SET a = {}", "(".repeat(4_000)),
        format!("SET a = {}", "if_not_exists(b,".repeat(250)),
        format!(
            "SET a = {}:l{}",
            "list_append(".repeat(150),
            ",:l)".repeat(150)
        ),
    ] {
        assert!(
            error_of(&text).starts_with("Invalid UpdateExpression: "),
            "{text:.30}"
        );
    }
    let deep = 190;
    check_ok(&format!(
        "SET a = {}:n{}",
        "if_not_exists(b,".repeat(deep),
        ")".repeat(deep)
    ));
}

#[test]
fn brackets_may_stand_around_an_operand_or_the_value_once() {
    check_ok("SET a = (b)");
    check_ok("SET a = (b + :n)");
    check_ok("SET a = (b) - (:n)");
    check_ok("SET a = ((b) + (:n))");
    let message = "The expression has redundant parentheses;";
    check_error("SET a = ((b))", message);
    check_error("SET a = ((b + :n))", message);
    check_error("SET a = b + ((:n))", message);
}

#[test]
fn words_are_checked_before_placeholders() {
    check_error(
        "SET status = :undefined",
        "Attribute name is a reserved keyword; reserved keyword: status",
    );
    check_error(
        "REMOVE a.Year",
        "Attribute name is a reserved keyword; reserved keyword: Year",
    );
    check_error("SET a = dog(b)", "Invalid function name; function: dog");
    check_error(
        "SET a = IF_NOT_EXISTS(b, :n)",
        "Invalid function name; function: IF_NOT_EXISTS",
    );
    check_error(
        "SET #x = :s",
        "An expression attribute name used in the document path is not defined; \
         attribute name: #x",
    );
    check_error(
        "SET a = b + :v",
        "An expression attribute value used in expression is not defined; attribute value: :v",
    );
    check_error(
        "ADD a :v",
        "An expression attribute value used in expression is not defined; attribute value: :v",
    );
}

#[test]
fn functions_are_refused_where_they_do_not_belong() {
    for name in [
        "attribute_exists",
        "attribute_not_exists",
        "attribute_type",
        "begins_with",
        "contains",
        "size",
    ] {
        check_error(
            &format!("SET a = {name}(b)"),
            &format!("The function is not allowed in an update expression; function: {name}"),
        );
    }
    let misused = "The function is not allowed to be used this way in an expression; \
                   function: list_append";
    check_error("SET a = list_append(list_append(b, :l), :l)", misused);
    check_error("SET a = list_append(:l, list_append(b, :l))", misused);
    check_error("SET a = if_not_exists(b, list_append(c, :l))", misused);
    check_ok("SET a = list_append(if_not_exists(b, :l), :l)");
    check_ok("SET a = if_not_exists(b, if_not_exists(c, :n))");
    check_ok("SET a = if_not_exists(a, :n) + :n");
    let path_needed = "Operator or function requires a document path; \
                       operator or function: if_not_exists";
    check_error("SET a = if_not_exists(:n, :n)", path_needed);
    check_error(
        "SET a = if_not_exists(if_not_exists(a, :n), :n)",
        path_needed,
    );
    check_error(
        "SET a = list_append(b)",
        "Incorrect number of operands for operator or function; operator or function: \
         list_append, number of operands: 1",
    );
    check_error(
        "SET a = if_not_exists(b, :n, :n)",
        "Incorrect number of operands for operator or function; operator or function: \
         if_not_exists, number of operands: 3",
    );
}

#[test]
fn targets_may_not_overlap_or_conflict() {
    let overlap = |one: &str, two: &str| {
        format!(
            "Two document paths overlap with each other; must remove or rewrite one of these \
             paths; path one: {one}, path two: {two}"
        )
    };
    check_error("SET a = :s, a.b = :s", &overlap("[a]", "[a, b]"));
    check_error("SET a.b = :s REMOVE a", &overlap("[a, b]", "[a]"));
    check_error("SET a = :s, #a = :n", &overlap("[a]", "[a]"));
    check_error(
        "REMOVE x, a[1], y, a[1].b",
        &overlap("[a, [1]]", "[a, [1], b]"),
    );
    check_error(
        "SET a.b = :s ADD a[1] :n",
        "Two document paths conflict with each other; must remove or rewrite one of these paths; \
         path one: [a, b], path two: [a, [1]]",
    );
    check_error(
        "REMOVE a.b.c, a.b[0]",
        "Two document paths conflict with each other; must remove or rewrite one of these paths; \
         path one: [a, b, c], path two: [a, b, [0]]",
    );
    check_ok("SET a.b = :s, a.c = :s REMOVE d[0], d[1], e.f.g, e.h");
}

#[test]
fn operand_types_in_the_request_are_checked() {
    for (name, type_name) in [
        (":s", "S"),
        (":b", "B"),
        (":ss", "SS"),
        (":l", "L"),
        (":null", "NULL"),
    ] {
        for operator in ["+", "-"] {
            check_error(
                &format!("SET a = b {operator} {name}"),
                &format!(
                    "Incorrect operand type for operator or function; operator or function: \
                     {operator}, operand type: {type_name}"
                ),
            );
        }
    }
    check_error(
        "SET a = list_append(b, :s)",
        "Incorrect operand type for operator or function; operator or function: list_append, \
         operand type: S",
    );
    let long_names = [
        (":s", "STRING"),
        (":n", "NUMBER"),
        (":b", "BINARY"),
        (":l", "LIST"),
        (":m", "MAP"),
        (":bool", "BOOLEAN"),
        (":null", "NULL"),
    ];
    for (name, type_name) in long_names {
        for operator in ["ADD", "DELETE"] {
            if (operator, name) == ("ADD", ":n") {
                check_ok("ADD a :n");
                continue;
            }
            check_error(
                &format!("{operator} a {name}"),
                &format!(
                    "Incorrect operand type for operator or function; operator: {operator}, \
                     operand type: {type_name}"
                ),
            );
        }
    }
    for name in [":ss", ":ns", ":bs"] {
        check_ok(&format!("ADD a {name} DELETE b {name}"));
    }
}

fn key() -> Item {
    item(&[("pk", s("k"))])
}

fn check_apply(
    text: &str,
    values: &[(&str, AttributeValue)],
    old: &[(&str, AttributeValue)],
    new: &[(&str, AttributeValue)],
) {
    let outcome = update(text, values)
        .apply(Some(&item(old)), &key())
        .unwrap();
    assert_eq!(outcome.item, Some(item(new)), "{text}");
}

fn check_apply_error(
    text: &str,
    values: &[(&str, AttributeValue)],
    old: &[(&str, AttributeValue)],
    expected: &str,
) {
    let error = update(text, values)
        .apply(Some(&item(old)), &key())
        .unwrap_err();
    assert_eq!(error.scope, ValidationScope::Bare, "{text}");
    assert_eq!(error.message.as_deref(), Some(expected), "{text}");
}

const INVALID_PATH: &str =
    "The document path provided in the update expression is invalid for update";
const MISSING: &str =
    "The provided expression refers to an attribute that does not exist in the item";
const WRONG_TYPE: &str = "An operand in the update expression has an incorrect data type";

#[test]
fn all_operands_are_read_before_anything_is_written() {
    check_apply(
        "SET a = :x, b = a",
        &[(":x", n("2"))],
        &[("a", n("1"))],
        &[("a", n("2")), ("b", n("1"))],
    );
    check_apply(
        "SET a = b, b = a",
        &[],
        &[("a", n("1")), ("b", n("2"))],
        &[("a", n("2")), ("b", n("1"))],
    );
    check_apply(
        "REMOVE a SET b = a",
        &[],
        &[("a", n("1"))],
        &[("b", n("1"))],
    );
    check_apply(
        "ADD a :x SET b = a",
        &[(":x", n("5"))],
        &[("a", n("1"))],
        &[("a", n("6")), ("b", n("1"))],
    );
}

#[test]
fn arithmetic_is_exact() {
    check_apply(
        "SET a = a + :x",
        &[(":x", n("0.1"))],
        &[("a", n("0.2"))],
        &[("a", n("0.3"))],
    );
    check_apply(
        "SET a = :x - a",
        &[(":x", n("1"))],
        &[("a", n("0.00000000000000000000000000000000000001"))],
        &[("a", n("0.99999999999999999999999999999999999999"))],
    );
    check_apply_error(
        "SET a = a + :x",
        &[(":x", n("1"))],
        &[("a", n("1e50"))],
        "Attempting to store more than 38 significant digits in a Number",
    );
    check_apply_error(
        "ADD a :x",
        &[(":x", n("9e125"))],
        &[("a", n("9e125"))],
        "Number overflow. Attempting to store a number with magnitude larger than supported range",
    );
    check_apply_error(
        "SET a = a + :x",
        &[(":x", n("1"))],
        &[("a", s("1"))],
        WRONG_TYPE,
    );
    check_apply_error("SET a = b + :x", &[(":x", n("1"))], &[], MISSING);
    check_apply(
        "SET a = if_not_exists(a, :z) + :x",
        &[(":x", n("1")), (":z", n("0"))],
        &[],
        &[("a", n("1"))],
    );
}

#[test]
fn set_needs_the_parent_to_be_there_and_of_the_right_kind() {
    let x = [(":x", n("1"))];
    check_apply(
        "SET a.b = :x",
        &x,
        &[("a", m(&[]))],
        &[("a", m(&[("b", n("1"))]))],
    );
    check_apply(
        "SET a.b[0].c = :x",
        &x,
        &[("a", m(&[("b", l(&[m(&[])]))]))],
        &[("a", m(&[("b", l(&[m(&[("c", n("1"))])]))]))],
    );
    for old in [
        vec![],
        vec![("a", s("x"))],
        vec![("a", l(&[]))],
        vec![("a", ss(&["b"]))],
    ] {
        check_apply_error("SET a.b = :x", &x, &old, INVALID_PATH);
    }
    check_apply_error("SET a[0] = :x", &x, &[("a", m(&[]))], INVALID_PATH);
    check_apply_error("SET a[0] = :x", &x, &[("a", s("text"))], INVALID_PATH);
    check_apply_error("SET a[1].b = :x", &x, &[("a", l(&[m(&[])]))], INVALID_PATH);
    check_apply_error("ADD a.b :x", &x, &[], INVALID_PATH);
}

#[test]
fn remove_inside_something_that_is_not_there() {
    check_apply_error("REMOVE x.y", &[], &[], INVALID_PATH);
    check_apply_error("REMOVE x.y", &[], &[("x", s("text"))], INVALID_PATH);
    check_apply_error("REMOVE x[0]", &[], &[("x", m(&[]))], INVALID_PATH);
    check_apply("REMOVE x.y", &[], &[("x", m(&[]))], &[("x", m(&[]))]);
    check_apply("REMOVE x", &[], &[("z", n("1"))], &[("z", n("1"))]);
    assert_eq!(
        update("REMOVE x.y", &[]).apply(None, &key()).unwrap().item,
        None
    );
}

#[test]
fn lists_keep_the_positions_of_the_old_item() {
    let old = [("l", l(&[s("a"), s("b"), s("c")]))];
    let v = [(":v", s("v")), (":w", s("w"))];
    check_apply(
        "SET l[1] = :v",
        &v[..1],
        &old,
        &[("l", l(&[s("a"), s("v"), s("c")]))],
    );
    check_apply(
        "SET l[99] = :v",
        &v[..1],
        &old,
        &[("l", l(&[s("a"), s("b"), s("c"), s("v")]))],
    );
    check_apply(
        "SET l[20] = :w, l[7] = :v",
        &v,
        &old,
        &[("l", l(&[s("a"), s("b"), s("c"), s("v"), s("w")]))],
    );
    check_apply(
        "REMOVE l[1] SET l[3] = :v",
        &v[..1],
        &old,
        &[("l", l(&[s("a"), s("c"), s("v")]))],
    );
    check_apply(
        "REMOVE l[0] SET l[1] = :v",
        &v[..1],
        &old,
        &[("l", l(&[s("v"), s("c")]))],
    );
    check_apply("REMOVE l[0], l[2]", &[], &old, &[("l", l(&[s("b")]))]);
    check_apply("REMOVE l[2], l[0], l[1]", &[], &old, &[("l", l(&[]))]);
    check_apply(
        "REMOVE l[3], l[0]",
        &[],
        &old,
        &[("l", l(&[s("b"), s("c")]))],
    );
    // An element appended at a place is not what REMOVE meant by that place.
    check_apply(
        "SET l[7] = :v REMOVE l[3]",
        &v[..1],
        &old,
        &[("l", l(&[s("a"), s("b"), s("c"), s("v")]))],
    );
    check_apply(
        "SET x = l[1], l[0] = l[2]",
        &[],
        &old,
        &[("l", l(&[s("c"), s("b"), s("c")])), ("x", s("b"))],
    );
    check_apply(
        "REMOVE l[0] SET l[1].z = :v",
        &v[..1],
        &[("l", l(&[s("a"), m(&[])]))],
        &[("l", l(&[m(&[("z", s("v"))])]))],
    );
    check_apply(
        "SET l[0] = :v REMOVE m[0]",
        &v[..1],
        &[("l", l(&[])), ("m", l(&[s("x")]))],
        &[("l", l(&[s("v")])), ("m", l(&[]))],
    );
}

#[test]
fn removing_the_last_member_leaves_the_container() {
    check_apply(
        "REMOVE a.b",
        &[],
        &[("a", m(&[("b", n("1"))]))],
        &[("a", m(&[]))],
    );
    check_apply("REMOVE a[0]", &[], &[("a", l(&[n("1")]))], &[("a", l(&[]))]);
}

#[test]
fn if_not_exists_takes_the_fallback_only_for_what_is_missing() {
    let v = [(":v", n("1"))];
    check_apply("SET a = if_not_exists(a, :v)", &v, &[], &[("a", n("1"))]);
    check_apply(
        "SET a = if_not_exists(a, :v)",
        &v,
        &[("a", AttributeValue::Null)],
        &[("a", AttributeValue::Null)],
    );
    check_apply(
        "SET a = if_not_exists(b.c, if_not_exists(d, :v))",
        &v,
        &[("d", n("7"))],
        &[("a", n("7")), ("d", n("7"))],
    );
    check_apply_error("SET a = if_not_exists(b, c)", &[], &[], MISSING);
}

#[test]
fn list_append_joins_two_lists() {
    let v = [(":v", l(&[n("9")]))];
    let old = [("a", l(&[n("1")]))];
    check_apply(
        "SET a = list_append(a, :v)",
        &v,
        &old,
        &[("a", l(&[n("1"), n("9")]))],
    );
    check_apply(
        "SET a = list_append(:v, a)",
        &v,
        &old,
        &[("a", l(&[n("9"), n("1")]))],
    );
    check_apply(
        "SET a = list_append(if_not_exists(x, :v), a)",
        &v,
        &old,
        &[("a", l(&[n("9"), n("1")]))],
    );
    check_apply_error("SET a = list_append(a, :v)", &v, &[], MISSING);
    check_apply_error(
        "SET a = list_append(a, :v)",
        &v,
        &[("a", n("1"))],
        WRONG_TYPE,
    );
}

#[test]
fn add_sums_numbers_and_unites_sets() {
    check_apply(
        "ADD a :v",
        &[(":v", n("2"))],
        &[("a", n("1"))],
        &[("a", n("3"))],
    );
    check_apply("ADD a :v", &[(":v", n("2"))], &[], &[("a", n("2"))]);
    check_apply(
        "ADD a :v",
        &[(":v", ss(&["b", "a"]))],
        &[("a", ss(&["a", "c"]))],
        &[("a", ss(&["a", "c", "b"]))],
    );
    check_apply(
        "ADD a :v",
        &[(":v", ns(&["1.0", "2"]))],
        &[("a", ns(&["1"]))],
        &[("a", ns(&["1", "2"]))],
    );
    check_apply(
        "ADD a :v",
        &[(":v", bs(&[b"x"]))],
        &[],
        &[("a", bs(&[b"x"]))],
    );
    check_apply(
        "ADD a.b :v",
        &[(":v", n("2"))],
        &[("a", m(&[("b", n("1"))]))],
        &[("a", m(&[("b", n("3"))]))],
    );
    check_apply(
        "ADD a.b :v, l[0] :v",
        &[(":v", n("2"))],
        &[("a", m(&[])), ("l", l(&[n("1")]))],
        &[("a", m(&[("b", n("2"))])), ("l", l(&[n("3")]))],
    );
    check_apply_error(
        "ADD a :v",
        &[(":v", n("2"))],
        &[("a", ss(&["x"]))],
        WRONG_TYPE,
    );
    check_apply_error(
        "ADD a :v",
        &[(":v", ss(&["2"]))],
        &[("a", ns(&["1"]))],
        WRONG_TYPE,
    );
    check_apply_error(
        "ADD a :v",
        &[(":v", ss(&["2"]))],
        &[("a", l(&[]))],
        WRONG_TYPE,
    );
}

#[test]
fn delete_takes_members_out_of_a_set() {
    let old = [("a", ss(&["x", "y", "z"]))];
    check_apply(
        "DELETE a :v",
        &[(":v", ss(&["y", "q"]))],
        &old,
        &[("a", ss(&["x", "z"]))],
    );
    check_apply("DELETE a :v", &[(":v", ss(&["z", "y", "x"]))], &old, &[]);
    check_apply("DELETE b :v", &[(":v", ss(&["y"]))], &old, &old);
    check_apply(
        "DELETE a :v",
        &[(":v", ns(&["1.0"]))],
        &[("a", ns(&["1", "2"]))],
        &[("a", ns(&["2"]))],
    );
    check_apply(
        "DELETE a.b :v",
        &[(":v", ss(&["y"]))],
        &[("a", m(&[("b", ss(&["y"]))]))],
        &[("a", m(&[]))],
    );
    check_apply_error("DELETE a :v", &[(":v", ns(&["1"]))], &old, WRONG_TYPE);
    check_apply_error(
        "DELETE a :v",
        &[(":v", ss(&["1"]))],
        &[("a", s("1"))],
        WRONG_TYPE,
    );
}

#[test]
fn a_missing_item_starts_as_its_key_unless_only_removed_from() {
    let created = |text: &str, values: &[(&str, AttributeValue)]| {
        update(text, values).apply(None, &key()).unwrap().item
    };
    assert_eq!(
        created("SET a = :v", &[(":v", n("1"))]),
        Some(item(&[("pk", s("k")), ("a", n("1"))]))
    );
    assert_eq!(
        created("SET a = pk", &[]),
        Some(item(&[("pk", s("k")), ("a", s("k"))]))
    );
    assert_eq!(
        created(
            "ADD a :v REMOVE b, c.d DELETE e :w",
            &[(":v", n("1")), (":w", ss(&["x"]))]
        ),
        Some(item(&[("pk", s("k")), ("a", n("1"))]))
    );
    assert_eq!(created("REMOVE a", &[]), None);
    assert_eq!(
        created("DELETE a :w REMOVE b[0]", &[(":w", ss(&["x"]))]),
        None
    );
    assert!(update("REMOVE a", &[]).is_remove_or_delete_only());
    assert!(!update("REMOVE a SET b = c", &[]).is_remove_or_delete_only());
}

#[test]
fn nesting_stays_within_an_items_levels() {
    let chain = |levels: usize| (1..levels).fold(n("1"), |inner, _| l(&[inner]));
    check_apply("SET a = :v", &[(":v", chain(32))], &[], &[("a", chain(32))]);
    let too_deep = "Nesting Levels have exceeded supported limits: \
                    Attributes in the item have nested levels beyond supported limit";
    check_apply_error("SET a = :v", &[(":v", chain(33))], &[], too_deep);
    check_apply_error(
        "SET a[0] = :v",
        &[(":v", chain(32))],
        &[("a", l(&[]))],
        too_deep,
    );
    check_apply(
        "SET a[0] = :v",
        &[(":v", chain(31))],
        &[("a", l(&[]))],
        &[("a", chain(32))],
    );
    check_apply_error("SET a[0] = a", &[], &[("a", chain(32))], too_deep);
}

#[test]
fn updated_old_and_new_hold_the_targets_only() {
    // The sequence of the nested-attribute checks that Alternator's suite makes on the service.
    let old = item(&[
        ("pk", s("k")),
        (
            "a",
            m(&[("b", s("hi")), ("c", l(&[n("1"), n("2"), n("3")]))]),
        ),
        ("d", s("cat")),
    ]);
    let check = |text: &str, values: &[(&str, AttributeValue)], before, after| {
        let update = update(text, values);
        let new = update.apply(Some(&old), &key()).unwrap().item;
        assert_eq!(update.updated_old(Some(&old)), before, "{text}");
        assert_eq!(update.updated_new(new.as_ref()), after, "{text}");
    };
    let v = [(":v", n("7"))];
    check(
        "SET a.b = :v",
        &v,
        Some(item(&[("a", m(&[("b", s("hi"))]))])),
        Some(item(&[("a", m(&[("b", n("7"))]))])),
    );
    check(
        "SET a.c[1] = :v",
        &v,
        Some(item(&[("a", m(&[("c", l(&[n("2")]))]))])),
        Some(item(&[("a", m(&[("c", l(&[n("7")]))]))])),
    );
    check(
        "SET a.c[2] = :v, a.c[0] = :v, a.b = :v",
        &v,
        Some(item(&[(
            "a",
            m(&[("b", s("hi")), ("c", l(&[n("1"), n("3")]))]),
        )])),
        Some(item(&[(
            "a",
            m(&[("b", n("7")), ("c", l(&[n("7"), n("7")]))]),
        )])),
    );
    check(
        "SET a.x = :v",
        &v,
        None,
        Some(item(&[("a", m(&[("x", n("7"))]))])),
    );
    check("SET x = :v", &v, None, Some(item(&[("x", n("7"))])));
    check(
        "SET d = :v",
        &[(":v", s("cat"))],
        Some(item(&[("d", s("cat"))])),
        Some(item(&[("d", s("cat"))])),
    );
    check("REMOVE d, zz", &[], Some(item(&[("d", s("cat"))])), None);
    // Targets are looked up as written: the appended element is not at 100, and at 1 there is now
    // what was at 2.
    check("SET a.c[100] = :v", &v, None, None);
    check(
        "REMOVE a.c[1]",
        &[],
        Some(item(&[("a", m(&[("c", l(&[n("2")]))]))])),
        Some(item(&[("a", m(&[("c", l(&[n("3")]))]))])),
    );
    let created = update("SET x = :v", &v);
    let new = created.apply(None, &key()).unwrap().item;
    assert_eq!(created.updated_old(None), None);
    assert_eq!(
        created.updated_new(new.as_ref()),
        Some(item(&[("x", n("7"))]))
    );
}

#[test]
fn key_attributes_are_no_targets() {
    let schema = schema("pk", Some(("sk", ScalarType::N)));
    for (text, name) in [
        ("SET pk = :v", "pk"),
        ("SET a = :v REMOVE sk", "sk"),
        ("ADD sk :v", "sk"),
        ("SET pk.a = :v", "pk"),
    ] {
        let values: &[(&str, AttributeValue)] = &[(":v", n("1"))];
        let error = update(text, values).check_key_targets(&schema).unwrap_err();
        assert_eq!(error.scope, ValidationScope::Bare);
        assert_eq!(
            error.message.unwrap(),
            format!(
                "One or more parameter values were invalid: Cannot update attribute {name}. \
                 This attribute is part of the key"
            )
        );
    }
    assert!(
        update("SET a = pk, b.pk = sk", &[])
            .check_key_targets(&schema)
            .is_ok()
    );
    assert!(
        message(update("SET a = if_not_exists(sk.x, pk)", &[]).check_key_targets(&schema))
            .ends_with("not allowed: Key: sk")
    );
}

#[test]
fn attributes_are_the_top_level_names_of_targets_and_operands() {
    let update = update(
        "SET a.x = b + c.y, d = if_not_exists(e, f), g = list_append(h, i) REMOVE j[0] ADD k :n",
        &[(":n", n("1"))],
    );
    let names: Vec<&str> = update.attributes().into_iter().collect();
    assert_eq!(
        names,
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]
    );
    let targets: Vec<&str> = update.target_attributes().collect();
    assert_eq!(targets, ["a", "d", "g", "j", "k"]);
}

#[test]
fn the_cost_of_an_update_counts_its_actions() {
    let values = [(":n", n("1")), (":ss", ss(&["a"]))];
    let check = |text: &str, cost: usize| {
        let used: Vec<(&str, AttributeValue)> = values
            .iter()
            .filter(|(name, _)| text.contains(name))
            .cloned()
            .collect();
        assert_eq!(update(text, &used).action_cost_bytes(), cost, "{text}");
    };
    check("SET a = :n", 22);
    check("SET a = :n, b = :n ADD c :n", 60);
    check("SET a[0] = :n", 23);
    check("SET a = a + :n", 72);
    check("REMOVE a, b DELETE c :ss", 9);
}
