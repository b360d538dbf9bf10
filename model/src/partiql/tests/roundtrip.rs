//! Random statements survive being written and read, and no text makes the parser panic.

use proptest::{collection, prelude::*};

use crate::expression::{DocumentPath, PathElement};
use crate::operations::ReturnValues;
use crate::partiql::ast::{
    Comparator, Condition, Delete, Insert, Operand, OrderBy, Select, SetOperand, SetValue,
    Statement, Update, UpdateAction,
};
use crate::partiql::print;
use crate::value::AttributeValue;

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,3}",
        Just("select".to_owned()),
        Just("a\"b".to_owned()),
        Just("x.y é".to_owned()),
    ]
}

fn path() -> BoxedStrategy<DocumentPath> {
    let step = prop_oneof![
        name().prop_map(PathElement::Attribute),
        (0_usize..3).prop_map(PathElement::Index),
    ];
    (name(), collection::vec(step, 0..3))
        .prop_map(|(attribute, steps)| DocumentPath::new(attribute, steps))
        .boxed()
}

fn scalar() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        "[a-z'\"]{0,3}".prop_map(AttributeValue::S),
        (-50_i64..50).prop_map(|n| AttributeValue::N(n.into())),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
        collection::vec(any::<u8>(), 0..3).prop_map(|bytes| AttributeValue::B(bytes.into())),
    ]
}

fn set() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        collection::btree_set("[a-z']{0,2}", 1..3)
            .prop_map(|texts| AttributeValue::Ss(texts.into_iter().collect())),
        collection::btree_set(-9_i64..9, 1..3)
            .prop_map(|numbers| AttributeValue::Ns(numbers.into_iter().map(Into::into).collect())),
    ]
}

fn value() -> BoxedStrategy<AttributeValue> {
    prop_oneof![scalar(), set()]
        .prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                collection::vec(inner.clone(), 0..3).prop_map(AttributeValue::L),
                collection::btree_map("[a-z']{1,2}", inner, 0..3).prop_map(AttributeValue::M),
            ]
        })
        .boxed()
}

fn operand() -> BoxedStrategy<Operand> {
    prop_oneof![
        path().prop_map(Operand::Path),
        value().prop_map(Operand::Value),
        path().prop_map(Operand::Size),
    ]
    .boxed()
}

fn predicate() -> BoxedStrategy<Condition> {
    let comparator = proptest::sample::select(vec![
        Comparator::Equal,
        Comparator::NotEqual,
        Comparator::Less,
        Comparator::LessOrEqual,
        Comparator::Greater,
        Comparator::GreaterOrEqual,
    ]);
    prop_oneof![
        (comparator, operand(), operand())
            .prop_map(|(comparator, left, right)| Condition::Compare(comparator, left, right)),
        (operand(), operand(), operand())
            .prop_map(|(value, low, high)| Condition::Between(value, low, high)),
        (operand(), collection::vec(operand(), 2..4))
            .prop_map(|(value, candidates)| Condition::In(value, candidates)),
        path().prop_map(Condition::Exists),
        path().prop_map(Condition::Missing),
        (operand(), value()).prop_map(|(operand, name)| Condition::HasType(operand, name)),
        (operand(), operand()).prop_map(|(left, right)| Condition::BeginsWith(left, right)),
        (operand(), operand()).prop_map(|(left, right)| Condition::Contains(left, right)),
    ]
    .boxed()
}

/// Conditions as the parser makes them: nothing directly inside its like.
fn condition() -> BoxedStrategy<Condition> {
    predicate()
        .prop_recursive(3, 12, 3, |inner| {
            let not_and = inner
                .clone()
                .prop_filter("an AND", |inner| !matches!(inner, Condition::And(_)));
            let not_or = inner
                .clone()
                .prop_filter("an OR", |inner| !matches!(inner, Condition::Or(_)));
            let not_not = inner.prop_filter("a NOT", |inner| !matches!(inner, Condition::Not(_)));
            prop_oneof![
                collection::vec(not_and, 2..4).prop_map(Condition::And),
                collection::vec(not_or, 2..4).prop_map(Condition::Or),
                not_not.prop_map(|inner| Condition::Not(Box::new(inner))),
            ]
        })
        .boxed()
}

fn set_operand() -> BoxedStrategy<SetOperand> {
    prop_oneof![
        path().prop_map(SetOperand::Path),
        value().prop_map(SetOperand::Value),
    ]
    .prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(first, second)| SetOperand::ListAppend(
                Box::new(first),
                Box::new(second)
            )),
            (path(), inner)
                .prop_map(|(path, inner)| SetOperand::IfNotExists(path, Box::new(inner))),
        ]
    })
    .boxed()
}

fn action() -> BoxedStrategy<UpdateAction> {
    prop_oneof![
        (path(), set_operand())
            .prop_map(|(path, operand)| UpdateAction::Set(path, SetValue::Operand(operand))),
        (path(), set_operand(), set_operand())
            .prop_map(|(path, left, right)| UpdateAction::Set(path, SetValue::Plus(left, right))),
        (path(), set_operand(), set_operand())
            .prop_map(|(path, left, right)| UpdateAction::Set(path, SetValue::Minus(left, right))),
        path().prop_map(UpdateAction::Remove),
        (path(), set()).prop_map(|(path, set)| UpdateAction::SetAdd(path, set)),
        (path(), set()).prop_map(|(path, set)| UpdateAction::SetDelete(path, set)),
    ]
    .boxed()
}

fn select() -> BoxedStrategy<Select> {
    let order = (name(), any::<bool>()).prop_map(|(attribute, descending)| OrderBy {
        attribute,
        descending,
    });
    (
        collection::btree_map(name(), Just(()), 0..3),
        name(),
        proptest::option::of(name()),
        proptest::option::of(condition()),
        collection::vec(order, 0..3),
    )
        .prop_map(|(columns, table, index, condition, order_by)| Select {
            columns: columns
                .into_keys()
                .map(|name| DocumentPath::new(name, Vec::new()))
                .collect(),
            table,
            index,
            condition,
            order_by,
        })
        .boxed()
}

fn statement() -> BoxedStrategy<Statement> {
    let returning = proptest::sample::select(vec![
        ReturnValues::None,
        ReturnValues::AllOld,
        ReturnValues::AllNew,
        ReturnValues::UpdatedOld,
        ReturnValues::UpdatedNew,
    ]);
    let update = (
        name(),
        proptest::option::of(name()),
        collection::vec(action(), 1..4),
        condition(),
        returning,
    )
        .prop_map(|(table, index, actions, condition, returning)| {
            Statement::Update(Update {
                table,
                index,
                actions,
                condition: Some(condition),
                returning,
            })
        });
    let delete = (name(), condition(), any::<bool>()).prop_map(|(table, condition, old)| {
        Statement::Delete(Delete {
            table,
            index: None,
            condition: Some(condition),
            returning: if old {
                ReturnValues::AllOld
            } else {
                ReturnValues::None
            },
        })
    });
    prop_oneof![
        select().prop_map(Statement::Select),
        select().prop_map(Statement::Exists),
        (name(), collection::btree_map(name(), value(), 0..4))
            .prop_map(|(table, item)| Statement::Insert(Insert { table, item })),
        update,
        delete,
    ]
    .boxed()
}

/// Pieces of statements, put together without any sense.
fn pieces() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(vec![
        "SELECT",
        "*",
        "FROM",
        "t",
        "\"T\"",
        ".",
        "WHERE",
        "pk",
        "=",
        "'a'",
        "AND",
        "OR",
        "NOT",
        "IN",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        "<<",
        ">>",
        ",",
        ":",
        "?",
        "1",
        "-",
        "+",
        "INSERT INTO",
        "VALUE",
        "UPDATE",
        "SET",
        "REMOVE",
        "DELETE",
        "RETURNING",
        "ALL OLD *",
        "ORDER BY",
        "DESC",
        "IS",
        "MISSING",
        "NULL",
        "BETWEEN",
        "size(",
        "begins_with(",
        "set_add(",
        "list_append(",
        "EXISTS(",
        "LIMIT",
        "--",
        "/*",
        "*/",
        ";",
        "é",
        "'",
        "\"",
    ]);
    collection::vec(piece, 0..30).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #[test]
    fn a_statement_survives_being_written(statement in statement()) {
        let (text, parameters) = print(&statement);
        let again = Statement::parse(&text, &parameters);
        prop_assert_eq!(again.as_ref(), Ok(&statement), "{}", text);
    }

    #[test]
    fn no_statement_makes_the_rest_panic(statement in statement()) {
        crate::fuzzing::use_statement(&statement);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_sequence_of_pieces_makes_the_parser_panic(text in pieces()) {
        crate::fuzzing::partiql(text.as_bytes());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        crate::fuzzing::partiql(text.as_bytes());
    }
}

/// Half of a usual thread's stack has to do, so that a caller may be deep in its own when it parses.
const STACK_SIZE_BYTES: usize = 1024 * 1024;

#[test]
fn the_longest_and_deepest_statements_do_not_overflow() {
    let deepest = || {
        for unit in [
            "(",
            "[",
            "{'a':",
            "<<",
            "NOT ",
            "NOT (",
            "(NOT ",
            "a.",
            "a[0]",
            "-",
            "a=1 OR ",
            "a=1 AND (",
            "size(",
            "contains(a,",
            "a IN [",
        ] {
            let units = unit.repeat(8_000 / unit.len());
            for begin in [
                "SELECT * FROM t WHERE ",
                "INSERT INTO t VALUE {'a':",
                "SELECT ",
            ] {
                crate::fuzzing::partiql(format!("{begin}{units}").as_bytes());
            }
        }
        for unit in ["list_append(", "if_not_exists(a,", "(", "["] {
            let units = unit.repeat(8_000 / unit.len());
            crate::fuzzing::partiql(format!("UPDATE t SET a={units}").as_bytes());
        }
        for (open, inner, close, depth) in [
            ("(a=1 OR NOT ", "b=2", ")", 62),
            ("NOT (b=1 AND ", "a=2", ")", 62),
            ("(", "a=1", ")", 62),
        ] {
            let condition = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            crate::fuzzing::partiql(format!("SELECT * FROM t WHERE {condition}").as_bytes());
            assert!(Statement::parse(&format!("DELETE FROM t WHERE {condition}"), &[]).is_ok());
        }
    };
    let thread = std::thread::Builder::new()
        .stack_size(STACK_SIZE_BYTES)
        .spawn(deepest)
        .unwrap();
    thread.join().unwrap();
}
