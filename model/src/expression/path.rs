//! Document paths: where in an item an expression points.

use std::fmt;

use crate::value::{AttributeValue, Item};

/// One step into an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathElement {
    /// A member of a map; at the start of a path, a top-level attribute.
    Attribute(String),
    /// An element of a list, counted from 0.
    Index(usize),
}

/// A path from the top of an item to a value in it, with all placeholders resolved.
///
/// Displayed as the service shows paths in messages: `[a, b, [1]]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentPath {
    /// The top-level attribute, kept apart because a path always has one.
    attribute: String,
    /// The steps behind it, at most 31.
    steps: Vec<PathElement>,
}

impl DocumentPath {
    /// The path that starts at a top-level attribute and goes on with these steps.
    pub fn new(attribute: String, steps: Vec<PathElement>) -> Self {
        Self { attribute, steps }
    }

    /// The top-level attribute the path starts at.
    pub fn attribute(&self) -> &str {
        &self.attribute
    }

    /// The steps behind the top-level attribute.
    pub fn steps(&self) -> &[PathElement] {
        &self.steps
    }

    /// Whether the path goes inside a top-level attribute.
    pub fn is_nested(&self) -> bool {
        !self.steps.is_empty()
    }

    /// The value the path points to, if the item has it.
    pub fn resolve<'i>(&self, item: &'i Item) -> Option<&'i AttributeValue> {
        let top = item.get(&self.attribute)?;
        self.steps
            .iter()
            .try_fold(top, |value, step| match (value, step) {
                (AttributeValue::M(map), PathElement::Attribute(name)) => map.get(name),
                (AttributeValue::L(list), PathElement::Index(index)) => list.get(*index),
                _ => None,
            })
    }
}

impl fmt::Display for DocumentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.attribute)?;
        for step in &self.steps {
            match step {
                PathElement::Attribute(name) => write!(f, ", {name}")?,
                PathElement::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}
