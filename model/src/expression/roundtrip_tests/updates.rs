//! Random updates.
//!
//! The naive interpreter turns an item into trees whose lists are maps by old position. Changing such
//! a tree never moves anything, and reading it back in order of position is what the service does.

use std::collections::BTreeMap;

use proptest::{collection, prelude::*};

use crate::{
    expression::UpdateExpression,
    value::{AttributeValue, Item},
};

use super::{
    Writer,
    values::{Path, Step, canonical, item, number, path, set, value},
};

#[derive(Debug, Clone)]
enum Change {
    Set(Value),
    Remove,
    Add(AttributeValue),
    Delete(AttributeValue),
}

#[derive(Debug, Clone)]
enum Value {
    Operand(Operand),
    Sum(bool, Operand, Operand),
}

#[derive(Debug, Clone)]
enum Operand {
    Path(Path),
    Value(AttributeValue),
    IfNotExists(Path, Box<Operand>),
    ListAppend(Box<Operand>, Box<Operand>),
}

/// An operand whose values in the request come from `value`; no `list_append`.
fn operand(
    value: impl Strategy<Value = AttributeValue> + Clone + 'static,
) -> impl Strategy<Value = Operand> {
    let leaf =
        prop_oneof![1 => path().prop_map(Operand::Path), 2 => value.prop_map(Operand::Value)];
    leaf.prop_recursive(2, 3, 1, |inner| {
        (path(), inner).prop_map(|(path, fallback)| Operand::IfNotExists(path, Box::new(fallback)))
    })
}

fn list() -> impl Strategy<Value = AttributeValue> {
    collection::vec(number().prop_map(AttributeValue::N), 0..3).prop_map(AttributeValue::L)
}

fn change() -> impl Strategy<Value = Change> {
    let number = || number().prop_map(AttributeValue::N);
    // A fallback that is a value of the request may have any type, a direct operand may not.
    let set_value = prop_oneof![
        operand(value().boxed()).prop_map(Value::Operand),
        (
            any::<bool>(),
            operand(number().boxed()),
            operand(number().boxed())
        )
            .prop_map(|(plus, left, right)| Value::Sum(plus, left, right)),
        (operand(list().boxed()), operand(list().boxed())).prop_map(|(first, second)| {
            Value::Operand(Operand::ListAppend(Box::new(first), Box::new(second)))
        }),
    ];
    prop_oneof![
        4 => set_value.prop_map(Change::Set),
        2 => Just(Change::Remove),
        1 => prop_oneof![number(), set()].prop_map(Change::Add),
        1 => set().prop_map(Change::Delete),
    ]
}

/// Whether an update may have both targets.
fn compatible(left: &Path, right: &Path) -> bool {
    if left.attribute != right.attribute {
        return true;
    }
    for pair in left.steps.iter().zip(&right.steps) {
        match pair {
            (Step::Member(left), Step::Member(right)) if left != right => return true,
            (Step::Element(left), Step::Element(right)) if left != right => return true,
            (Step::Member(_), Step::Element(_)) | (Step::Element(_), Step::Member(_)) => {
                return false;
            }
            _ => {}
        }
    }
    false
}

fn update() -> impl Strategy<Value = Vec<(Path, Change)>> {
    collection::vec((path(), change()), 1..6).prop_map(|all| {
        let mut kept: Vec<(Path, Change)> = Vec::new();
        for (path, change) in all {
            if kept.iter().all(|(other, _)| compatible(other, &path)) {
                kept.push((path, change));
            }
        }
        kept
    })
}

impl Writer {
    fn update(&mut self, actions: &[(Path, Change)]) -> String {
        let mut sections: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (path, change) in actions {
            let path = self.path(path);
            let (section, text) = match change {
                Change::Set(value) => ("SET", format!("{path}={}", self.set_value(value))),
                Change::Remove => ("remove", path),
                Change::Add(value) => ("Add", format!("{path} {}", self.value(value))),
                Change::Delete(value) => ("DELETE", format!("{path}{}", self.value(value))),
            };
            sections.entry(section).or_default().push(text);
        }
        let sections: Vec<String> = sections
            .into_iter()
            .map(|(section, actions)| format!("{section} {}", actions.join(", ")))
            .collect();
        sections.join("\n")
    }

    fn set_value(&mut self, value: &Value) -> String {
        match value {
            Value::Operand(operand) => self.operand(operand),
            Value::Sum(true, left, right) => {
                format!("({} + {})", self.operand(left), self.operand(right))
            }
            Value::Sum(false, left, right) => {
                format!("({})-{}", self.operand(left), self.operand(right))
            }
        }
    }

    fn operand(&mut self, operand: &Operand) -> String {
        match operand {
            Operand::Path(path) => self.path(path),
            Operand::Value(value) => self.value(value),
            Operand::IfNotExists(path, fallback) => {
                format!(
                    "if_not_exists({}, {})",
                    self.path(path),
                    self.operand(fallback)
                )
            }
            Operand::ListAppend(first, second) => {
                format!(
                    "list_append ( {},({}))",
                    self.operand(first),
                    self.operand(second)
                )
            }
        }
    }
}

/// A value whose lists can be changed without moving elements.
#[derive(Debug, Clone)]
enum Tree {
    Leaf(AttributeValue),
    Map(BTreeMap<String, Tree>),
    List(BTreeMap<usize, Tree>),
}

fn grow(value: AttributeValue) -> Tree {
    match value {
        AttributeValue::M(map) => Tree::Map(
            map.into_iter()
                .map(|(name, value)| (name, grow(value)))
                .collect(),
        ),
        AttributeValue::L(list) => Tree::List(list.into_iter().map(grow).enumerate().collect()),
        leaf => Tree::Leaf(leaf),
    }
}

fn fell(tree: Tree) -> AttributeValue {
    match tree {
        Tree::Leaf(value) => value,
        Tree::Map(map) => AttributeValue::M(
            map.into_iter()
                .map(|(name, tree)| (name, fell(tree)))
                .collect(),
        ),
        Tree::List(list) => AttributeValue::L(list.into_values().map(fell).collect()),
    }
}

/// Why an update cannot be applied; which reason does not matter.
#[derive(Debug, PartialEq)]
struct Refused;

fn operand_value(operand: &Operand, item: &Item) -> Result<AttributeValue, Refused> {
    match operand {
        Operand::Path(path) => path.find(item).ok_or(Refused),
        Operand::Value(value) => Ok(value.clone()),
        Operand::IfNotExists(path, fallback) => path
            .find(item)
            .map_or_else(|| operand_value(fallback, item), Ok),
        Operand::ListAppend(first, second) => {
            match (operand_value(first, item)?, operand_value(second, item)?) {
                (AttributeValue::L(first), AttributeValue::L(second)) => {
                    Ok(AttributeValue::L([first, second].concat()))
                }
                _ => Err(Refused),
            }
        }
    }
}

fn sum(plus: bool, left: AttributeValue, right: AttributeValue) -> Result<AttributeValue, Refused> {
    let (AttributeValue::N(left), AttributeValue::N(right)) = (left, right) else {
        return Err(Refused);
    };
    let result = if plus {
        left.checked_add(right)
    } else {
        left.checked_sub(right)
    };
    result.map(AttributeValue::N).map_err(|_| Refused)
}

/// What stands at the target afterwards; the inner None for nothing.
fn outcome(
    change: &Change,
    old: Option<AttributeValue>,
    item: &Item,
) -> Result<Option<AttributeValue>, Refused> {
    match change {
        Change::Set(Value::Operand(operand)) => operand_value(operand, item).map(Some),
        Change::Set(Value::Sum(plus, left, right)) => sum(
            *plus,
            operand_value(left, item)?,
            operand_value(right, item)?,
        )
        .map(Some),
        Change::Remove => Ok(None),
        Change::Add(added) => Ok(Some(match (old, added.clone()) {
            (None, added) => added,
            (Some(AttributeValue::Ss(old)), AttributeValue::Ss(added)) => {
                AttributeValue::Ss(merged(old, added))
            }
            (Some(AttributeValue::Ns(old)), AttributeValue::Ns(added)) => {
                AttributeValue::Ns(merged(old, added))
            }
            (Some(AttributeValue::Bs(old)), AttributeValue::Bs(added)) => {
                AttributeValue::Bs(merged(old, added))
            }
            (Some(old), added) => sum(true, old, added)?,
        })),
        Change::Delete(deleted) => Ok(match (old, deleted) {
            (None, _) => None,
            (Some(AttributeValue::Ss(old)), AttributeValue::Ss(deleted)) => {
                without(old, deleted).map(AttributeValue::Ss)
            }
            (Some(AttributeValue::Ns(old)), AttributeValue::Ns(deleted)) => {
                without(old, deleted).map(AttributeValue::Ns)
            }
            (Some(AttributeValue::Bs(old)), AttributeValue::Bs(deleted)) => {
                without(old, deleted).map(AttributeValue::Bs)
            }
            _ => return Err(Refused),
        }),
    }
}

fn merged<T: PartialEq>(mut old: Vec<T>, added: Vec<T>) -> Vec<T> {
    for member in added {
        if !old.contains(&member) {
            old.push(member);
        }
    }
    old
}

fn without<T: PartialEq>(mut old: Vec<T>, deleted: &[T]) -> Option<Vec<T>> {
    old.retain(|member| !deleted.contains(member));
    if old.is_empty() { None } else { Some(old) }
}

fn apply(
    actions: &[(Path, Change)],
    old: Option<&Item>,
    key: &Item,
) -> Result<Option<Item>, Refused> {
    let only_removes = actions
        .iter()
        .all(|(_, change)| matches!(change, Change::Remove | Change::Delete(_)));
    if old.is_none() && only_removes {
        return Ok(None);
    }
    let current = old.unwrap_or(key);
    let mut top: BTreeMap<String, Tree> = current
        .iter()
        .map(|(name, value)| (name.clone(), grow(value.clone())))
        .collect();
    for (path, change) in actions {
        let before = path.find(current);
        let after = outcome(change, before.clone(), current)?;
        // The item as a map, so that the last step is like all others.
        let mut parent = Tree::Map(std::mem::take(&mut top));
        let mut steps = vec![Step::Member(path.attribute.clone())];
        steps.extend(path.steps.clone());
        let last = steps.pop().unwrap();
        let found = place(&mut parent, &steps, &last, before.is_some(), after.clone());
        let Tree::Map(map) = parent else {
            unreachable!()
        };
        top = map;
        if !found && (after.is_some() || old.is_some()) {
            return Err(Refused);
        }
    }
    Ok(Some(
        top.into_iter()
            .map(|(name, tree)| (name, fell(tree)))
            .collect(),
    ))
}

/// Puts the new value in place or takes the old one away; false if there is no such container.
fn place(
    tree: &mut Tree,
    steps: &[Step],
    last: &Step,
    existed: bool,
    after: Option<AttributeValue>,
) -> bool {
    if let Some((step, steps)) = steps.split_first() {
        let inner = match (tree, step) {
            (Tree::Map(map), Step::Member(name)) => map.get_mut(name),
            (Tree::List(list), Step::Element(index)) => list.get_mut(index),
            _ => None,
        };
        return inner.is_some_and(|inner| place(inner, steps, last, existed, after));
    }
    match (tree, last, after) {
        (Tree::Map(map), Step::Member(name), Some(value)) => {
            map.insert(name.clone(), grow(value));
        }
        (Tree::Map(map), Step::Member(name), None) => {
            map.remove(name);
        }
        (Tree::List(list), Step::Element(index), Some(value)) => {
            list.insert(*index, grow(value));
        }
        (Tree::List(list), Step::Element(index), None) => {
            if existed {
                list.remove(index);
            }
        }
        _ => return false,
    }
    true
}

fn check(actions: &[(Path, Change)], old: Option<&Item>) -> Result<(), TestCaseError> {
    let mut writer = Writer::default();
    let text = writer.update(actions);
    let context = writer.context();
    let parsed = UpdateExpression::parse(&text, &context)
        .map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
    prop_assert!(context.finish().is_ok(), "{}", text);
    let key = Item::from([("pk".to_owned(), AttributeValue::string("k"))]);
    let canonical_item = |item: Item| AttributeValue::M(item);
    let found = parsed
        .apply(old, &key)
        .map(|outcome| outcome.item.map(canonical_item).as_ref().map(canonical))
        .map_err(|_| Refused);
    let expected =
        apply(actions, old, &key).map(|item| item.map(canonical_item).as_ref().map(canonical));
    prop_assert_eq!(found, expected, "{}", text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_parsed_update_does_what_was_written(actions in update(), item in item()) {
        check(&actions, Some(&item))?;
        check(&actions, None)?;
    }
}

/// Changes to the elements of one list, some of them behind its end, each element once at most.
fn list_update() -> impl Strategy<Value = Vec<(Path, Change)>> {
    let change = prop_oneof![
        Just(Change::Remove),
        number().prop_map(|number| {
            Change::Set(Value::Operand(Operand::Value(AttributeValue::N(number))))
        }),
        (0..4_usize).prop_map(|index| Change::Set(Value::Operand(Operand::Path(element(index))))),
    ];
    collection::btree_map(0..7_usize, change, 1..7)
        .prop_map(|changes| {
            changes
                .into_iter()
                .map(|(index, change)| (element(index), change))
                .collect::<Vec<_>>()
        })
        .prop_shuffle()
}

fn element(index: usize) -> Path {
    Path {
        attribute: "cc".to_owned(),
        steps: vec![Step::Element(index)],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn elements_of_a_list_are_set_appended_and_removed_by_their_old_positions(
        actions in list_update(),
    ) {
        let list = (100..104_i64).map(|number| AttributeValue::N(number.into())).collect();
        let item = Item::from([("cc".to_owned(), AttributeValue::L(list))]);
        check(&actions, Some(&item))?;
    }
}
