//! What is refused, and with which words.

use super::{n, refusal, s};

fn check(text: &str, expected: &str) {
    assert_eq!(refusal(text, &[]), expected, "{text}");
}

fn check_malformed(text: &str, detail: &str) {
    check(
        text,
        &format!("Statement wasn't well formed, can't be processed: {detail}"),
    );
}

#[test]
fn text_that_is_no_statement() {
    check_malformed("SELEC * FROM t", "Expected data manipulation");
    check_malformed("  ", "Expected data manipulation");
    check_malformed(
        "UPDATE t-1 SET a=1 WHERE pk='a'",
        "Expected data manipulation",
    );
    check_malformed("SELECT FROM t", "Cannot have empty SELECT list");
    check_malformed("SELECT a WHERE b=1", "Expected FROM after SELECT list");
    check_malformed("DELETE t WHERE pk='a'", "Expected FROM after DELETE");
    check_malformed("SELECT * FROM t WHERE", "Unexpected term");
    check_malformed("SELECT * FROM t WHERE a = FROM", "Unexpected keyword");
    check_malformed(
        "SELECT * FROM t; SELECT * FROM t",
        "Unexpected token after expression",
    );
    check_malformed(
        "SELECT * FROM t WHERE a=1 b",
        "Unexpected token after expression",
    );
    check_malformed("SELECT * FROM t WHERE (a=1", "Expected )");
    check_malformed("INSERT INTO t VALUE {'a':1,}", "Unexpected term");
    check_malformed(
        "INSERT INTO t VALUE {'a':1} RETURNING ALL OLD *",
        "Unexpected token after expression",
    );
    check_malformed("SELECT * FROM t WHERE a='x", "Unterminated quote");
    check_malformed(
        "DELETE FROM t WHERE pk='a' RETURNING SOME OLD *",
        "Expected ALL or MODIFIED in a returning clause.",
    );
}

#[test]
fn what_partiql_has_and_the_service_has_not() {
    check(
        "SELECT COUNT(*) FROM \"T\"",
        "Unexpected path component at 1:8:5",
    );
    check(
        "SELECT\n  size(a) FROM t",
        "Unexpected path component at 2:3:4",
    );
    check(
        "SELECT id FROM dbimp_page LIMIT 5",
        "Unsupported clause: LIMIT at 1:33:1",
    );
    check("SELECT a AS b FROM t", "Unsupported clause: AS at 1:13:1");
    check(
        "SELECT * FROM t GROUP BY a",
        "Unsupported clause: GROUP BY at 1:26:1",
    );
    check(
        "SELECT * FROM t, u",
        "FROM clause may only contain a single table name",
    );
    check(
        "SELECT * FROM t JOIN u ON t.a=u.a",
        "FROM clause may only contain a single table name",
    );
    check("SELECT * FROM t AS u", "Unexpected from source");
    check(
        "SELECT * FROM a.b.c",
        "A path may contain at most 2 components in the FROM clause",
    );
    check(
        "SELECT * FROM \"\"",
        "Path component cannot be an empty string",
    );
    check(
        "INSERT INTO a.b VALUE {}",
        "FROM clause may only contain a single table name",
    );
    check(
        "SELECT *, a FROM t",
        "Other attributes should not be present in the projection when '*' is used.",
    );
    check(
        "SELECT m.z, z FROM t",
        "Duplicate identifiers in select clause: z",
    );
    check(
        "SELECT * FROM t WHERE a LIKE 'x'",
        "Unsupported operator in Condition Expression. Operator: LIKE",
    );
    check(
        "SELECT * FROM t WHERE a + 1 > 2",
        "Unsupported operator in Condition Expression. Operator: +",
    );
    check(
        "SELECT * FROM t WHERE dog(a)",
        "Invalid function name; function: dog",
    );
    check(
        "SELECT * FROM t WHERE begins_with(a)",
        "Incorrect number of operands for operator or function; operator or function: begins_with, \
         number of operands: 1",
    );
    check(
        "SELECT * FROM t WHERE EXISTS(SELECT * FROM u)",
        "EXISTS can only be used in ExecuteTransaction write requests.",
    );
}

#[test]
fn a_mistake_in_the_text_comes_before_a_mistake_in_its_meaning() {
    check_malformed("SELECT COUNT(*) FROM t WHERE", "Unexpected term");
}

#[test]
fn writes_that_name_no_item_or_answer_too_much() {
    let key_required = "Where clause does not contain a mandatory equality on all key attributes";
    check("DELETE FROM t", key_required);
    check("UPDATE t SET a=1", key_required);
    check(
        "DELETE FROM t WHERE pk='a' RETURNING ALL NEW *",
        "Invalid returning clause: RETURNING ALL NEW *. Only RETURNING ALL OLD * is allowed in \
         DELETE statements.",
    );
    check(
        "DELETE FROM t WHERE pk='a' RETURNING MODIFIED OLD *",
        "Invalid returning clause: RETURNING MODIFIED OLD *. Only RETURNING ALL OLD * is allowed in \
         DELETE statements.",
    );
}

#[test]
fn values() {
    check(
        "INSERT INTO t VALUE {'a':<<>>}",
        "Empty bags are not supported",
    );
    let mixed =
        "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags";
    check("INSERT INTO t VALUE {'a':<<1,'a'>>}", mixed);
    check("INSERT INTO t VALUE {'a':<<true>>}", mixed);
    check(
        "INSERT INTO t VALUE {'a':<<'x','y','x'>>}",
        "One or more parameter values were invalid: Input collection [x, y, x] contains duplicates.",
    );
    check(
        "INSERT INTO t VALUE {'a':<<1,1.0>>}",
        "One or more parameter values were invalid: Input collection [1, 1] contains duplicates! \
         under root",
    );
    check(
        "INSERT INTO t VALUE {'pk':'a','l':[1,{'k':?}]}",
        "Unsupported data type: Parameter under key root[1].k at 1:43:1",
    );
    check(
        "INSERT INTO t VALUE {'a':1E126}",
        "Number overflow. Attempting to store a number with magnitude larger than supported range",
    );
    check(
        "INSERT INTO t VALUE {'a':123456789012345678901234567890123456789}",
        "Attempting to store more than 38 significant digits in a Number",
    );
    check(
        "SELECT * FROM t WHERE a = -?",
        "Unsupported operator in Condition Expression. Operator: -",
    );
    check(
        "SELECT l[-1] FROM t",
        "List index is not within the allowable range; index: [-1] at 1:11:1",
    );
    let deep = format!(
        "INSERT INTO t VALUE {{'a':{}{}}}",
        "[".repeat(33),
        "]".repeat(33)
    );
    assert!(
        refusal(&deep, &[])
            .starts_with("Nesting Levels have exceeded supported limits under root[0][0]")
    );
}

#[test]
fn parameters_are_counted() {
    let message = "Number of parameters in request and statement don't match.";
    assert_eq!(
        refusal("SELECT * FROM t WHERE a=? AND b=?", &[n("1")]),
        message
    );
    assert_eq!(refusal("SELECT * FROM t WHERE a=?", &[]), message);
    assert_eq!(
        refusal("SELECT * FROM t WHERE a=?", &[n("1"), n("2")]),
        message
    );
}

#[test]
fn operands_of_the_wrong_type_are_refused_without_a_table() {
    let wrong = |operator: &str, type_name: &str| {
        format!(
            "Incorrect operand type for operator or function; operator or function: {operator}, \
             operand type: {type_name}"
        )
    };
    check("SELECT * FROM t WHERE a < [1]", &wrong("<", "L"));
    check("SELECT * FROM t WHERE a >= true", &wrong(">=", "BOOL"));
    check(
        "DELETE FROM t WHERE pk='a' AND a < null",
        &wrong("<", "NULL"),
    );
    check(
        "UPDATE t SET x=1 WHERE pk='a' AND a BETWEEN {} AND 1",
        &wrong("BETWEEN", "M"),
    );
    check(
        "SELECT * FROM t WHERE begins_with(a, 1)",
        &wrong("begins_with", "N"),
    );
    check(
        "SELECT * FROM t WHERE attribute_type(a, 1)",
        &wrong("attribute_type", "N"),
    );
    check(
        "SELECT * FROM t WHERE begins_with(a, 'x') < 1",
        &wrong("<", "BOOL"),
    );
    check("UPDATE t SET x = a + 'b' WHERE pk='a'", &wrong("+", "S"));
    check(
        "SELECT * FROM t WHERE attribute_type(a, 'X')",
        "Invalid attribute type name found; type: X, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
    );
    check(
        "SELECT * FROM t WHERE a BETWEEN 2 AND 1",
        "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower \
         bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
    );
    assert_eq!(
        refusal(
            "SELECT * FROM t WHERE a < ?",
            &[crate::value::AttributeValue::L(vec![s("x")])]
        ),
        wrong("<", "L")
    );
}

#[test]
fn updates() {
    check(
        "UPDATE t SET a = set_add(b, <<1>>) WHERE pk='a'",
        "The first argument to SET_ADD must equal the assignment value at 1:18:7",
    );
    check(
        "UPDATE t SET a = SET_DELETE(a, 1) WHERE pk='a'",
        "The second argument to SET_DELETE must be a value with type SET at 1:29:1",
    );
    check(
        "UPDATE t SET a=1 SET a=2 WHERE pk='a'",
        "Two document paths overlap with each other; must remove or rewrite one of these paths; \
         path one: [a], path two: [a]",
    );
    check(
        "UPDATE t SET a = 1 + 2 + 3 WHERE pk='a'",
        "Unsupported operator in Condition Expression. Operator: +",
    );
    check(
        "UPDATE t SET a = dog(1) WHERE pk='a'",
        "Invalid function name; function: dog",
    );
}

#[test]
fn a_statement_that_is_too_large_for_an_expression_says_so() {
    let many: Vec<String> = (0..302).map(|at| format!("a={at}")).collect();
    let text = format!("SELECT * FROM t WHERE {}", many.join(" OR "));
    assert!(refusal(&text, &[]).starts_with("The expression contains too many operators"));
}

#[test]
fn attributes_have_names() {
    for text in [
        "INSERT INTO t VALUE {'pk': 'a', '': 1}",
        "INSERT INTO t VALUE {'pk': 'a', 'm': {\"\": 1}}",
        "UPDATE t SET \"\"=1 WHERE pk='a'",
        "UPDATE t REMOVE a.\"\" WHERE pk='a'",
        "SELECT \"\" FROM t",
    ] {
        check(
            text,
            "One or more parameter values were invalid: Attribute names must have a length between \
             1 and 65535 bytes",
        );
    }
}
