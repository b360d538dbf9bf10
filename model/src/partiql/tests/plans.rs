//! What statements become: queries, scans and writes.

use crate::expression::{ExpressionKind, PathElement, SortCondition};
use crate::operations::ReturnValues;
use crate::partiql::select::SelectPlan;
use crate::partiql::{ExpressionTexts, KeyRead, Statement, WriteKind, select_columns};
use crate::value::{AttributeValue, Item};

use super::{n, parse, path, s, schema};

fn select_plan(text: &str, sorted: bool) -> Result<SelectPlan, String> {
    let Statement::Select(select) = parse(text) else {
        panic!("no SELECT: {text}");
    };
    select
        .plan(&schema(sorted))
        .map_err(|error| error.message.unwrap())
}

fn reads(text: &str) -> Vec<KeyRead> {
    match select_plan(text, true).unwrap() {
        SelectPlan::Queries { reads, .. } => reads,
        SelectPlan::Scan(_) => panic!("a scan: {text}"),
    }
}

fn scan(text: &str) -> ExpressionTexts {
    match select_plan(text, true).unwrap() {
        SelectPlan::Scan(texts) => texts,
        SelectPlan::Queries { .. } => panic!("queries: {text}"),
    }
}

/// The text of a condition with its placeholders put in.
fn filled(texts: &ExpressionTexts, text: Option<&String>) -> String {
    let mut text = text.cloned().unwrap_or_default();
    for (placeholder, name) in texts.names.iter().flatten().rev() {
        text = text.replace(placeholder, name);
    }
    for (placeholder, value) in texts.values.iter().flatten().rev() {
        let shown = match value {
            AttributeValue::S(text) => format!("'{text}'"),
            AttributeValue::N(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        text = text.replace(placeholder, &shown);
    }
    text
}

fn condition(texts: &ExpressionTexts) -> String {
    texts.parse_condition(ExpressionKind::Filter).unwrap();
    filled(texts, texts.condition.as_ref())
}

#[test]
fn the_partition_key_makes_a_query() {
    let found = reads("SELECT * FROM t WHERE pk = 'a' AND x > 1 AND sk > 'b' AND 'd' > sk");
    let [read] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(read.partition_key, s("a"));
    assert!(matches!(
        read.sort.as_slice(),
        [SortCondition::Gt(low), SortCondition::Lt(high)] if *low == s("b") && *high == s("d")
    ));
    assert_eq!(condition(&read.texts), "x>1");
}

#[test]
fn alternatives_make_several_queries() {
    for text in [
        "SELECT * FROM t WHERE pk IN ['a', 'b'] AND sk = 'c'",
        "SELECT * FROM t WHERE (pk = 'a' OR pk = 'b') AND sk = 'c'",
        "SELECT * FROM t WHERE (pk = 'a' AND sk = 'c') OR (sk = 'c' AND pk = 'b')",
    ] {
        let found = reads(text);
        let keys: Vec<&AttributeValue> = found.iter().map(|read| &read.partition_key).collect();
        assert_eq!(keys, [&s("a"), &s("b")], "{text}");
        assert!(
            found
                .iter()
                .all(|read| read.sort.len() == 1 && read.texts.condition.is_none())
        );
    }
    let found = reads("SELECT * FROM t WHERE (pk='a' AND x=1) OR (pk='b' AND y=2)");
    let filters: Vec<String> = found.iter().map(|read| condition(&read.texts)).collect();
    assert_eq!(filters, ["x=1", "y=2"]);
    let found = reads("SELECT * FROM t WHERE pk='a' AND sk IN ['x', 'y']");
    assert_eq!(found.len(), 2);
}

#[test]
fn all_else_is_a_scan() {
    for (text, expected) in [
        ("SELECT * FROM t", ""),
        ("SELECT * FROM t WHERE sk = 'a'", "sk='a'"),
        ("SELECT * FROM t WHERE pk > 'a'", "pk>'a'"),
        ("SELECT * FROM t WHERE pk = 'a' OR x = 1", "(pk='a' OR x=1)"),
        ("SELECT * FROM t WHERE NOT pk = 'a'", "NOT pk='a'"),
        (
            "SELECT * FROM t WHERE pk = 'a' AND pk = 'b'",
            "pk='a' AND pk='b'",
        ),
        ("SELECT * FROM t WHERE pk = sk", "pk=sk"),
        ("SELECT * FROM t WHERE pk IN [sk, 'a']", "pk IN (sk,'a')"),
    ] {
        assert_eq!(condition(&scan(text)), expected, "{text}");
    }
}

#[test]
fn conditions_keep_their_meaning() {
    for (text, expected) in [
        ("a IS MISSING", "attribute_not_exists(a)"),
        ("a.b[1] IS NOT MISSING", "attribute_exists(a.b[1])"),
        ("a IS NULL", "attribute_type(a,'NULL')"),
        ("a IS NOT NULL", "NOT attribute_type(a,'NULL')"),
        ("NOT a = 1 AND b <> 2", "NOT a=1 AND b<>2"),
        ("NOT NOT a = 1", "a=1"),
        ("NOT (a = 1 OR b = 2)", "NOT (a=1 OR b=2)"),
        ("a = 1 OR b = 2 AND c = 3", "(a=1 OR (b=2 AND c=3))"),
        ("((a = 1))", "a=1"),
        ("(a = 1 AND b = 2) AND c = 3", "a=1 AND b=2 AND c=3"),
        ("a NOT IN [1, 2]", "NOT a IN (1,2)"),
        ("a IN (1, 2)", "a IN (1,2)"),
        ("a IN [1]", "a=1"),
        ("a NOT BETWEEN 1 AND 2", "NOT a BETWEEN 1 AND 2"),
        ("BEGINS_WITH(\"a\", 'x') = FALSE", "NOT begins_with(a,'x')"),
        ("true = contains(a, 1)", "contains(a,1)"),
        ("size(a) >= 3", "size(a)>=3"),
        (
            "attribute_exists(a) AND attribute_not_exists(b)",
            "attribute_exists(a) AND attribute_not_exists(b)",
        ),
        ("a = -1.50 OR a != +2", "(a=-1.5 OR a<>2)"),
    ] {
        let texts = scan(&format!("SELECT * FROM t WHERE {text}"));
        assert_eq!(condition(&texts), expected, "{text}");
    }
}

#[test]
fn key_values_have_the_types_of_the_key() {
    let refused = |text: &str| select_plan(text, true).unwrap_err();
    let mismatch = |name: &str| {
        format!(
            "Key attribute's data type should match its data type in table's schema: Key {name}"
        )
    };
    assert_eq!(refused("SELECT * FROM t WHERE pk = 1"), mismatch("pk"));
    assert_eq!(
        refused("SELECT * FROM t WHERE pk = 'a' AND sk > 1"),
        mismatch("sk")
    );
    assert_eq!(
        refused("SELECT * FROM t WHERE pk = [1]"),
        "Key value must be of type S, N, or B. Key name: pk, Key type: L"
    );
    assert_eq!(
        refused("SELECT * FROM t WHERE pk = ''"),
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot \
         contain an empty string value. Key: pk"
    );
}

#[test]
fn too_many_queries_are_refused() {
    let keys: Vec<String> = (0..51).map(|at| format!("'k{at}'")).collect();
    let text = format!("SELECT * FROM t WHERE pk IN [{}]", keys.join(","));
    assert_eq!(
        select_plan(&text, true).unwrap_err(),
        "Too many decomposed read operations for a given query."
    );
    let fifty = format!("SELECT * FROM t WHERE pk IN [{}]", keys[..50].join(","));
    assert_eq!(reads(&fifty).len(), 50);
}

#[test]
fn an_order_needs_the_key() {
    let refused = |text: &str| select_plan(text, true).unwrap_err();
    assert_eq!(
        refused("SELECT * FROM t ORDER BY sk"),
        "Must have WHERE clause in the statement when using ORDER BY clause."
    );
    assert_eq!(
        refused("SELECT * FROM t WHERE x = 1 ORDER BY sk"),
        "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY \
         clause."
    );
    assert_eq!(
        refused("SELECT * FROM t WHERE pk = 'a' ORDER BY x"),
        "Attribute x in ORDER BY clause must be part of the primary key"
    );
    assert_eq!(
        refused("SELECT * FROM t WHERE pk IN ['a', 'b'] ORDER BY sk"),
        "Must have hash key in ORDER BY clause when more than one hash key condition specified in \
         WHERE clause."
    );
    let SelectPlan::Queries {
        partition_descending,
        sort_descending,
        ..
    } = select_plan(
        "SELECT * FROM t WHERE pk IN ['a', 'b'] ORDER BY pk DESC, sk",
        true,
    )
    .unwrap()
    else {
        panic!("a scan");
    };
    assert!(partition_descending && !sort_descending);
}

#[test]
fn columns_are_answered_under_their_last_name() {
    let Statement::Select(select) = parse("SELECT m.k[1], l[0], m.z, \"a.b\", gone FROM t") else {
        panic!("no SELECT");
    };
    let list = AttributeValue::L(vec![n("1"), n("2")]);
    let item = Item::from([
        (
            "m".to_owned(),
            AttributeValue::M(Item::from([
                ("k".to_owned(), list.clone()),
                ("z".to_owned(), s("z")),
            ])),
        ),
        ("l".to_owned(), list),
        ("a.b".to_owned(), s("dotted")),
    ]);
    assert_eq!(
        select_columns(&select.columns, &item),
        Item::from([
            ("k[1]".to_owned(), n("2")),
            ("l[0]".to_owned(), n("1")),
            ("z".to_owned(), s("z")),
            ("a.b".to_owned(), s("dotted")),
        ])
    );
    let SelectPlan::Scan(texts) = select.plan(&schema(false)).unwrap() else {
        panic!("no scan");
    };
    let projection = filled(&texts, texts.projection.as_ref());
    assert_eq!(projection, "a.b,gone,l,m");
    assert_eq!(
        select.columns[0],
        path(
            "m",
            &[
                PathElement::Attribute("k".to_owned()),
                PathElement::Index(1)
            ]
        )
    );
}

#[test]
fn an_insert_is_a_put_of_an_item_that_must_not_exist() {
    let Statement::Insert(insert) = Statement::parse(
        "insert into \"t\" value {'pk': ?, \"sk\": 'b', 'm': {'x': [1, null, <<'a'>>]}}",
        &[s("a")],
    )
    .unwrap() else {
        panic!("no INSERT");
    };
    let plan = insert.plan(&schema(true)).unwrap();
    assert!(matches!(plan.kind, WriteKind::Put));
    assert_eq!(plan.key.partition_key(), &s("a"));
    assert_eq!(
        filled(&plan.texts, plan.texts.condition.as_ref()),
        "attribute_not_exists(pk)"
    );
    let inner = AttributeValue::L(vec![
        n("1"),
        AttributeValue::Null,
        AttributeValue::Ss(vec!["a".to_owned()]),
    ]);
    assert_eq!(
        plan.item["m"],
        AttributeValue::M(Item::from([("x".to_owned(), inner)]))
    );
    let missing = parse("INSERT INTO t VALUE {'pk':'a'}");
    let Statement::Insert(missing) = missing else {
        panic!("no INSERT");
    };
    assert_eq!(
        missing.plan(&schema(true)).unwrap_err().message.unwrap(),
        "One or more parameter values were invalid: Missing the key sk in the item"
    );
}

#[test]
fn an_update_is_of_an_item_that_must_exist() {
    let Statement::Update(update) = parse(
        "UPDATE t SET a = list_append(a, [1]), n = n + 1 SET d = if_not_exists(d, 0) \
         SET s = set_add(s, <<'x'>>) SET g = set_delete(g, <<1>>) REMOVE r.x[0] \
         WHERE pk = 'a' AND x = 1 AND 'b' = sk RETURNING MODIFIED NEW *",
    ) else {
        panic!("no UPDATE");
    };
    let plan = update.plan(&schema(true)).unwrap();
    assert_eq!(plan.key.sort_key(), Some(&s("b")));
    assert_eq!(plan.return_values, ReturnValues::UpdatedNew);
    assert_eq!(
        filled(&plan.texts, plan.texts.condition.as_ref()),
        "attribute_exists(pk) AND x=1"
    );
    let update = filled(&plan.texts, plan.texts.update.as_ref());
    assert!(
        update.starts_with("SET a=list_append(a,L([N(Number(1))])),"),
        "{update}"
    );
    assert!(
        update.contains("n=n+1,d=if_not_exists(d,0) REMOVE r.x[0] ADD s Ss"),
        "{update}"
    );
    assert!(update.contains("DELETE g Ns"), "{update}");
}

#[test]
fn a_delete_of_nothing_is_no_failure() {
    let plan = |text: &str| {
        let Statement::Delete(delete) = parse(text) else {
            panic!("no DELETE");
        };
        delete.plan(&schema(false)).unwrap()
    };
    let alone = plan("DELETE FROM t WHERE pk = 'a' RETURNING ALL OLD *");
    assert_eq!(
        (alone.condition.is_none(), alone.return_values),
        (true, ReturnValues::AllOld)
    );
    for (text, expected) in [
        ("x = 1", "attribute_not_exists(pk) OR x=1"),
        (
            "(x = 1 OR y = 2)",
            "attribute_not_exists(pk) OR (x=1 OR y=2)",
        ),
        (
            "x = 1 AND y = 2",
            "attribute_not_exists(pk) OR (x=1 AND y=2)",
        ),
        (
            "x = 1 AND (y = 2 OR z = 3)",
            "attribute_not_exists(pk) OR (x=1 AND (y=2 OR z=3))",
        ),
    ] {
        let plan = plan(&format!("DELETE FROM t WHERE pk = 'a' AND {text}"));
        assert_eq!(filled(&plan.texts, plan.texts.condition.as_ref()), expected);
        assert!(plan.condition.unwrap().evaluate(None), "{text}");
    }
}

#[test]
fn writes_name_exactly_one_item() {
    let refused = |text: &str| {
        let schema = schema(true);
        let plan = match parse(text) {
            Statement::Update(update) => update.plan(&schema),
            Statement::Delete(delete) => delete.plan(&schema),
            _ => panic!("no write"),
        };
        plan.unwrap_err().message.unwrap()
    };
    let required = "Where clause does not contain a mandatory equality on all key attributes";
    for text in [
        "DELETE FROM t WHERE pk = 'a'",
        "DELETE FROM t WHERE pk = 'a' AND sk > 'b'",
        "DELETE FROM t WHERE pk = 'a' OR sk = 'b'",
        "UPDATE t SET x = 1 WHERE pk IN ['a', 'b'] AND sk = 'c'",
        "UPDATE t SET x = 1 WHERE x = 1",
    ] {
        assert_eq!(refused(text), required, "{text}");
    }
    assert_eq!(
        refused("DELETE FROM t WHERE pk = 'a' AND sk = 'b' AND pk = 'c'"),
        "Multiple conditions on same key pk. Only single item Update/Insert/Delete are supported"
    );
    assert_eq!(
        refused("DELETE FROM t WHERE pk = 1 AND sk = 'b'"),
        "The provided key element does not match the schema"
    );
    assert_eq!(
        refused("UPDATE t SET sk = 'x' WHERE pk = 'a' AND sk = 'b'"),
        "One or more parameter values were invalid: Cannot update attribute sk. This attribute is \
         part of the key"
    );
    let on_index = "This operation is not supported on an index";
    assert_eq!(
        refused("DELETE FROM t.i WHERE pk = 'a' AND sk = 'b'"),
        on_index
    );
    assert_eq!(
        refused("UPDATE t.i SET x = 1 WHERE pk = 'a' AND sk = 'b'"),
        on_index
    );
}

#[test]
fn exists_is_a_check_of_one_item_that_says_more_than_its_key() {
    let plan = |text: &str| {
        let Statement::Exists(select) = parse(text) else {
            panic!("no EXISTS");
        };
        select.plan_check(&schema(false))
    };
    let check = plan("EXISTS(SELECT * FROM t WHERE pk = 'a' AND x IS MISSING)").unwrap();
    assert!(matches!(check.kind, WriteKind::Check));
    assert_eq!(
        filled(&check.texts, check.texts.condition.as_ref()),
        "attribute_not_exists(x)"
    );
    for text in [
        "EXISTS(SELECT * FROM t WHERE pk = 'a')",
        "EXISTS(SELECT * FROM t WHERE x = 1)",
        "EXISTS(SELECT * FROM t)",
    ] {
        assert_eq!(
            plan(text).unwrap_err().message.unwrap(),
            "EXISTS() must contain a single item read with additional condition"
        );
    }
}

#[test]
fn a_read_of_one_item_names_its_key_and_nothing_else() {
    let key = |text: &str| {
        let Statement::Select(select) = parse(text) else {
            panic!("no SELECT");
        };
        select.single_key(&schema(true)).unwrap().is_some()
    };
    assert!(key("SELECT * FROM t WHERE pk = 'a' AND sk = 'b'"));
    assert!(key("SELECT * FROM t WHERE pk = 'a' AND sk IN ['b']"));
    assert!(!key("SELECT * FROM t WHERE pk = 'a'"));
    assert!(!key(
        "SELECT * FROM t WHERE pk = 'a' AND sk = 'b' AND x = 1"
    ));
    assert!(!key("SELECT * FROM t"));
}
