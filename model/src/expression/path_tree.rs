//! A set of document paths as a tree, for taking exactly those paths out of an item.
//!
//! Projection expressions are one; the targets of an update expression are another, from which
//! `UPDATED_OLD` and `UPDATED_NEW` are taken.

use std::collections::{BTreeMap, btree_map::Entry};

use crate::value::{AttributeValue, Item};

use super::path::{DocumentPath, PathElement};

/// The paths, none of which is a prefix of another.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct PathTree {
    attributes: BTreeMap<String, PathNode>,
}

/// What is wanted of a value. Never deeper than a path may be long.
#[derive(Debug, Clone, PartialEq)]
enum PathNode {
    Whole,
    Members(BTreeMap<String, PathNode>),
    Elements(BTreeMap<usize, PathNode>),
}

impl PathTree {
    /// The tree of these paths, or the message about the first two that exclude each other.
    pub(super) fn new<'p>(
        paths: impl Iterator<Item = &'p DocumentPath> + Clone,
    ) -> Result<Self, String> {
        let mut tree = Self::default();
        for (count, path) in paths.clone().enumerate() {
            if tree.insert(path).is_none() {
                return Err(exclusion_message(paths.take(count), path));
            }
        }
        Ok(tree)
    }

    /// The names of the attributes the paths start at.
    pub(super) fn attributes(&self) -> impl Iterator<Item = &str> {
        self.attributes.keys().map(String::as_str)
    }

    /// None when the path excludes one that is there already; the tree is then of no further use.
    fn insert(&mut self, path: &DocumentPath) -> Option<()> {
        let mut steps = path.steps().iter();
        let mut vacant = match self.attributes.entry(path.attribute().to_owned()) {
            Entry::Vacant(entry) => {
                entry.insert(chain(steps.as_slice()));
                return Some(());
            }
            Entry::Occupied(entry) => entry.into_mut(),
        };
        loop {
            vacant = match (vacant, steps.next()?) {
                (PathNode::Members(members), PathElement::Attribute(name)) => {
                    match members.entry(name.clone()) {
                        Entry::Occupied(entry) => entry.into_mut(),
                        Entry::Vacant(entry) => {
                            entry.insert(chain(steps.as_slice()));
                            return Some(());
                        }
                    }
                }
                (PathNode::Elements(elements), PathElement::Index(index)) => {
                    match elements.entry(*index) {
                        Entry::Occupied(entry) => entry.into_mut(),
                        Entry::Vacant(entry) => {
                            entry.insert(chain(steps.as_slice()));
                            return Some(());
                        }
                    }
                }
                _ => return None,
            };
        }
    }

    /// The item reduced to these paths: nested values keep their containers, list elements close up
    /// in the order of their indexes, and a container in which nothing was found is left out.
    pub(super) fn select(&self, item: &Item) -> Item {
        let found = self.attributes.iter().filter_map(|(name, node)| {
            let value = node.select(item.get(name)?)?;
            Some((name.clone(), value))
        });
        found.collect()
    }
}

impl PathNode {
    fn select(&self, value: &AttributeValue) -> Option<AttributeValue> {
        match (self, value) {
            (Self::Whole, value) => Some(value.clone()),
            (Self::Members(members), AttributeValue::M(map)) => {
                let found: BTreeMap<String, AttributeValue> = members
                    .iter()
                    .filter_map(|(name, node)| Some((name.clone(), node.select(map.get(name)?)?)))
                    .collect();
                (!found.is_empty()).then_some(AttributeValue::M(found))
            }
            (Self::Elements(elements), AttributeValue::L(list)) => {
                let found: Vec<AttributeValue> = elements
                    .iter()
                    .filter_map(|(index, node)| node.select(list.get(*index)?))
                    .collect();
                (!found.is_empty()).then_some(AttributeValue::L(found))
            }
            _ => None,
        }
    }
}

/// The nodes of a path that shares no step with any other.
fn chain(steps: &[PathElement]) -> PathNode {
    steps
        .iter()
        .rev()
        .fold(PathNode::Whole, |node, step| match step {
            PathElement::Attribute(name) => {
                PathNode::Members(BTreeMap::from([(name.clone(), node)]))
            }
            PathElement::Index(index) => PathNode::Elements(BTreeMap::from([(*index, node)])),
        })
}

fn exclusion_message<'p>(
    mut earlier: impl Iterator<Item = &'p DocumentPath>,
    path: &DocumentPath,
) -> String {
    earlier
        .find_map(|first| exclusion(first, path))
        .unwrap_or_default()
}

/// The message if the paths overlap or conflict.
fn exclusion(first: &DocumentPath, second: &DocumentPath) -> Option<String> {
    if first.attribute() != second.attribute() {
        return None;
    }
    let mut problem = "overlap";
    for pair in first.steps().iter().zip(second.steps()) {
        match pair {
            (left, right) if left == right => {}
            (PathElement::Attribute(_), PathElement::Index(_))
            | (PathElement::Index(_), PathElement::Attribute(_)) => {
                problem = "conflict";
                break;
            }
            _ => return None,
        }
    }
    Some(format!(
        "Two document paths {problem} with each other; must remove or rewrite one of these paths; \
         path one: {first}, path two: {second}"
    ))
}
