use crate::{
    error::ValidationScope,
    expression::{
        ProjectionExpression,
        test_support::{Placeholders, item, l, m, message, n, s, schema, ss},
    },
    value::{AttributeValue, Item},
};

fn parse(text: &str) -> Result<ProjectionExpression, crate::error::ApiError> {
    let names = [("#n", "name"), ("#d", "a.b"), ("#a", "a")];
    ProjectionExpression::parse(text, &Placeholders::new(&names, &[]).context())
}

fn check_error(text: &str, expected: &str) {
    let error = parse(text).unwrap_err();
    assert_eq!(error.scope, ValidationScope::Request);
    assert_eq!(
        error.message.unwrap(),
        format!("Invalid ProjectionExpression: {expected}"),
        "{text}"
    );
}

fn check(text: &str, expected: &[(&str, AttributeValue)]) {
    let stored: Item = item(&[
        ("pk", s("k")),
        (
            "a",
            m(&[
                ("b", n("1")),
                ("c", l(&[n("0"), m(&[("x", s("y"))]), n("2")])),
            ]),
        ),
        ("a.b", s("dotted")),
        ("l", l(&[n("0"), n("1"), n("2"), n("3")])),
        ("name", s("n")),
        ("tags", ss(&["t"])),
        ("hollow", m(&[])),
    ]);
    assert_eq!(
        parse(text).unwrap().project(&stored),
        item(expected),
        "{text}"
    );
}

#[test]
fn messages() {
    check_error("", "The expression can not be empty;");
    check_error(
        &"a,".repeat(2_500),
        "Expression size has exceeded the maximum allowed size; expression size: 5000",
    );
    check_error("!!", "Syntax error; token: \"!\", near: \"!!\"");
    check_error("a,", "Syntax error; token: \"<EOF>\", near: \",\"");
    check_error("a b", "Syntax error; token: \"b\", near: \"a b\"");
    check_error("l[a]", "Syntax error; token: \"a\", near: \"[a]\"");
    check_error("l[#n]", "Syntax error; token: \"#n\", near: \"[#n]\"");
    check_error(":v", "Syntax error; token: \":v\", near: \":v\"");
    check_error("(a)", "Syntax error; token: \"(\", near: \"(a\"");
    check_error("size(a)", "Syntax error; token: \"(\", near: \"size(a\"");
    check_error(
        "a, Status",
        "Attribute name is a reserved keyword; reserved keyword: Status",
    );
    check_error(
        "and",
        "Attribute name is a reserved keyword; reserved keyword: and",
    );
    check_error(
        "a.#x",
        "An expression attribute name used in the document path is not defined; \
         attribute name: #x",
    );
    check_error(
        &format!("a{}", ".b".repeat(32)),
        "The document path has too many nesting levels; nesting levels: 33",
    );
    check_error(
        "l[4294967295]",
        "List index is not within the allowable range; index: [4294967295]",
    );
    check_error(
        "a, #a.b",
        "Two document paths overlap with each other; must remove or rewrite one of these paths; \
         path one: [a], path two: [a, b]",
    );
    check_error(
        "a.b, x, a[1]",
        "Two document paths conflict with each other; must remove or rewrite one of these paths; \
         path one: [a, b], path two: [a, [1]]",
    );
}

#[test]
fn keys_are_not_added_and_what_is_missing_is_left_out() {
    check("name_, a.zz, l[9], tags[0], hollow.x, pk.x", &[]);
    check("l.x", &[]);
    check("tags, pk", &[("tags", ss(&["t"])), ("pk", s("k"))]);
    check("hollow", &[("hollow", m(&[]))]);
    check("#n", &[("name", s("n"))]);
}

#[test]
fn nested_values_stand_in_their_containers() {
    check("a.b", &[("a", m(&[("b", n("1"))]))]);
    check(
        "a.c[1].x, a.b",
        &[("a", m(&[("b", n("1")), ("c", l(&[m(&[("x", s("y"))])]))]))],
    );
    check("#d", &[("a.b", s("dotted"))]);
}

#[test]
fn list_elements_close_up_in_index_order() {
    check("l[2], l[0]", &[("l", l(&[n("0"), n("2")]))]);
    check("l[3], l[9], l[1]", &[("l", l(&[n("1"), n("3")]))]);
    check(
        "a.c[2], a.c[0]",
        &[("a", m(&[("c", l(&[n("0"), n("2")]))]))],
    );
}

#[test]
fn paths_and_attributes_are_known() {
    let projection = parse("l[1], a.b, #n").unwrap();
    let paths: Vec<String> = projection.paths().iter().map(ToString::to_string).collect();
    assert_eq!(paths, ["[l, [1]]", "[a, b]", "[name]"]);
    let names: Vec<&str> = projection.attributes().collect();
    assert_eq!(names, ["a", "l", "name"]);
    assert!(
        projection
            .check_key_attributes_scalar(&schema("name", None))
            .is_ok()
    );
    assert!(
        message(projection.check_key_attributes_scalar(&schema("a", None))).ends_with("Key: a")
    );
}
