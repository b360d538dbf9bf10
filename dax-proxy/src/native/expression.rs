//! Expressions: clients send the syntax tree, the store reads text (protocol, section 9.3).
//!
//! The text is printed with placeholders of its own, `#0` and `:0`, shared by all expressions of a request. What a tree
//! may say beyond the grammar of the store (a function with too many arguments, say) is printed as it stands and refused
//! there, in the store's words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use minicbor::data::Type;
use stator_model::AttributeValue;
use stator_model::expression::{DocumentPath, PathElement};

use super::cbor::{Read, Reader, unreadable};
use super::value::read_value;

/// Nodes in one another: a chain of the 300 operators that an expression may have, and its operands.
const DEPTH_MAX: usize = 310;

const FORMAT_VERSION: i128 = 1;
const LIST_INDEX: u64 = 3324;

/// The placeholders of one request.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    names: BTreeMap<String, usize>,
    values: Vec<AttributeValue>,
}

impl Placeholders {
    /// `#0` to attribute name.
    pub(super) fn names(&self) -> impl Iterator<Item = (String, &str)> {
        self.names
            .iter()
            .map(|(name, number)| (format!("#{number}"), name.as_str()))
    }

    /// `:0` to value.
    pub(super) fn values(&self) -> impl Iterator<Item = (String, &AttributeValue)> {
        self.values
            .iter()
            .enumerate()
            .map(|(number, value)| (format!(":{number}"), value))
    }

    fn name(&mut self, name: &str) -> String {
        let next = self.names.len();
        let number = *self.names.entry(name.to_owned()).or_insert(next);
        format!("#{number}")
    }
}

/// A condition, filter, key condition or update, as text.
pub(super) fn print_expression(bytes: &[u8], placeholders: &mut Placeholders) -> Read<String> {
    let mut reader = Reader::new(bytes);
    if reader.array_of()? != 3 || reader.integer()? != FORMAT_VERSION {
        return Err(unreadable("not an expression"));
    }
    // The values come behind the tree that refers to them.
    let tree = reader.rest();
    reader.skip()?;
    let mut values = Vec::new();
    reader.elements(|reader| {
        values.push(read_value(reader)?);
        Ok(())
    })?;
    let mut printer = Printer {
        places: vec![None; values.len()],
        values,
        placeholders,
    };
    printer.whole(&mut Reader::new(tree))
}

/// The paths of a projection.
pub(super) fn read_projection(bytes: &[u8]) -> Read<Vec<DocumentPath>> {
    let mut reader = Reader::new(bytes);
    if reader.array_of()? != 2 || reader.integer()? != FORMAT_VERSION {
        return Err(unreadable("not a projection"));
    }
    let mut paths = Vec::new();
    reader.elements(|reader| {
        let length = reader.array_of()?;
        if Op::read(reader)? != Op::Path {
            return Err(unreadable("not a path"));
        }
        paths.push(read_path(reader, length)?);
        Ok(())
    })?;
    Ok(paths)
}

/// A path as the store reads it.
pub(super) fn print_path(path: &DocumentPath, placeholders: &mut Placeholders) -> String {
    let mut text = placeholders.name(path.attribute());
    for step in path.steps() {
        match step {
            PathElement::Attribute(name) => {
                let name = placeholders.name(name);
                write!(text, ".{name}").ok();
            }
            PathElement::Index(index) => {
                write!(text, "[{index}]").ok();
            }
        }
    }
    text
}

/// The elements of a path node whose opcode has been read.
fn read_path(reader: &mut Reader<'_>, length: u64) -> Read<DocumentPath> {
    let bad = || unreadable("a path begins with a name");
    let mut steps = (1..length).map(|_| {
        if reader.kind()? != Type::Tag {
            return Ok(PathElement::Attribute(reader.text()?.into_owned()));
        }
        if reader.tag()? != LIST_INDEX {
            return Err(unreadable("not an index"));
        }
        usize::try_from(reader.integer()?)
            .map(PathElement::Index)
            .map_err(|_| unreadable("not an index"))
    });
    match steps.next().ok_or_else(bad)?? {
        PathElement::Attribute(first) => {
            let rest = steps.collect::<Read<Vec<_>>>()?;
            Ok(DocumentPath::new(first, rest))
        }
        PathElement::Index(_) => Err(bad()),
    }
}

/// The opcodes, in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Equal,
    NotEqual,
    Less,
    GreaterOrEqual,
    Greater,
    LessOrEqual,
    And,
    Or,
    Not,
    Between,
    In,
    AttributeExists,
    AttributeNotExists,
    AttributeType,
    BeginsWith,
    Contains,
    Size,
    Value,
    Path,
    Set,
    Add,
    Delete,
    Remove,
    IfNotExists,
    ListAppend,
    Plus,
    Minus,
}

const OPS: [Op; 27] = [
    Op::Equal,
    Op::NotEqual,
    Op::Less,
    Op::GreaterOrEqual,
    Op::Greater,
    Op::LessOrEqual,
    Op::And,
    Op::Or,
    Op::Not,
    Op::Between,
    Op::In,
    Op::AttributeExists,
    Op::AttributeNotExists,
    Op::AttributeType,
    Op::BeginsWith,
    Op::Contains,
    Op::Size,
    Op::Value,
    Op::Path,
    Op::Set,
    Op::Add,
    Op::Delete,
    Op::Remove,
    Op::IfNotExists,
    Op::ListAppend,
    Op::Plus,
    Op::Minus,
];

impl Op {
    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let number = usize::try_from(reader.integer()?).unwrap_or(usize::MAX);
        OPS.get(number)
            .copied()
            .ok_or_else(|| unreadable("an unknown operator"))
    }

    /// The word between two operands.
    fn infix(self) -> Option<&'static str> {
        Some(match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
            Self::LessOrEqual => "<=",
            Self::And => "AND",
            Self::Or => "OR",
            Self::Plus => "+",
            Self::Minus => "-",
            _ => return None,
        })
    }

    fn function(self) -> Option<&'static str> {
        Some(match self {
            Self::AttributeExists => "attribute_exists",
            Self::AttributeNotExists => "attribute_not_exists",
            Self::AttributeType => "attribute_type",
            Self::BeginsWith => "begins_with",
            Self::Contains => "contains",
            Self::Size => "size",
            Self::IfNotExists => "if_not_exists",
            Self::ListAppend => "list_append",
            _ => return None,
        })
    }

    /// The clause of an update.
    fn clause(self) -> Option<&'static str> {
        Some(match self {
            Self::Set => "SET",
            Self::Remove => "REMOVE",
            Self::Add => "ADD",
            Self::Delete => "DELETE",
            _ => return None,
        })
    }
}

struct Printer<'p> {
    values: Vec<AttributeValue>,
    /// The placeholder of each value that has been met.
    places: Vec<Option<usize>>,
    placeholders: &'p mut Placeholders,
}

impl Printer<'_> {
    fn whole(&mut self, reader: &mut Reader<'_>) -> Read<String> {
        // An update is a list of actions, so its first element is an array where a condition has an opcode.
        let mut first = Reader::new(reader.rest());
        first.array_of()?;
        if matches!(first.kind(), Ok(Type::Array)) {
            return self.update(reader);
        }
        Ok(self.node(reader, 0)?.1)
    }

    fn update(&mut self, reader: &mut Reader<'_>) -> Read<String> {
        let mut clauses: Vec<(&str, Vec<String>)> = Vec::new();
        reader.elements(|reader| {
            let length = reader.array_of()?;
            let op = Op::read(reader)?;
            let clause = op
                .clause()
                .ok_or_else(|| unreadable("not an update action"))?;
            let target = self.node(reader, 1)?.1;
            let action = match (op, length) {
                (Op::Remove, 2) => target,
                (Op::Set, 3) => format!("{target} = {}", self.node(reader, 1)?.1),
                (Op::Add | Op::Delete, 3) => format!("{target} {}", self.node(reader, 1)?.1),
                _ => return Err(unreadable("an update action of another length")),
            };
            match clauses.iter_mut().find(|(name, _)| *name == clause) {
                Some((_, actions)) => actions.push(action),
                None => clauses.push((clause, vec![action])),
            }
            Ok(())
        })?;
        let clauses: Vec<_> = clauses
            .into_iter()
            .map(|(name, actions)| format!("{name} {}", actions.join(", ")))
            .collect();
        Ok(clauses.join(" "))
    }

    /// One node and its text. Each kind of node has a function of its own, so that the frames of a deep tree are small.
    fn node(&mut self, reader: &mut Reader<'_>, depth: usize) -> Read<(Op, String)> {
        if depth > DEPTH_MAX {
            return Err(unreadable("an expression is nested too deeply"));
        }
        let length = reader.array_of()?;
        let op = Op::read(reader)?;
        let text = match (op, length.saturating_sub(1)) {
            (Op::Path, _) => print_path(&read_path(reader, length)?, self.placeholders),
            (Op::Value, 1) => self.value(reader)?,
            (Op::Not, 1) => self.not(reader, depth)?,
            (Op::Between, 3) => self.between(reader, depth)?,
            (Op::In, 2) => self.membership(reader, depth)?,
            (op, operands) => match (op.infix(), op.function()) {
                (Some(word), _) if operands == 2 => self.infix(op, word, reader, depth)?,
                (_, Some(name)) => self.call(name, operands, reader, depth)?,
                _ => return Err(unreadable("an operator of another length")),
            },
        };
        Ok((op, text))
    }

    fn not(&mut self, reader: &mut Reader<'_>, depth: usize) -> Read<String> {
        let (inner, text) = self.node(reader, depth + 1)?;
        let bare = !matches!(inner, Op::And | Op::Or);
        Ok(format!("NOT {}", bracketed(text, bare)))
    }

    fn between(&mut self, reader: &mut Reader<'_>, depth: usize) -> Read<String> {
        let mut operand = || self.node(reader, depth + 1);
        let (value, low, high) = (operand()?.1, operand()?.1, operand()?.1);
        Ok(format!("{value} BETWEEN {low} AND {high}"))
    }

    fn membership(&mut self, reader: &mut Reader<'_>, depth: usize) -> Read<String> {
        let value = self.node(reader, depth + 1)?.1;
        let mut members = Vec::new();
        reader.elements(|reader| {
            members.push(self.node(reader, depth + 1)?.1);
            Ok(())
        })?;
        Ok(format!("{value} IN ({})", members.join(", ")))
    }

    fn infix(&mut self, op: Op, word: &str, reader: &mut Reader<'_>, depth: usize) -> Read<String> {
        let (left, left_text) = self.node(reader, depth + 1)?;
        let (right, right_text) = self.node(reader, depth + 1)?;
        // OR binds less than AND; each is associative, so that chains need no brackets.
        let bare = |inner| op != Op::And || inner != Op::Or;
        let left = bracketed(left_text, bare(left));
        let right = bracketed(right_text, bare(right));
        Ok(format!("{left} {word} {right}"))
    }

    fn call(
        &mut self,
        name: &str,
        operands: u64,
        reader: &mut Reader<'_>,
        depth: usize,
    ) -> Read<String> {
        let mut arguments = Vec::new();
        for _ in 0..operands {
            arguments.push(self.node(reader, depth + 1)?.1);
        }
        Ok(format!("{name}({})", arguments.join(", ")))
    }

    fn value(&mut self, reader: &mut Reader<'_>) -> Read<String> {
        let index = usize::try_from(reader.integer()?).unwrap_or(usize::MAX);
        let (Some(value), Some(place)) = (self.values.get(index), self.places.get_mut(index))
        else {
            return Err(unreadable("an expression lacks a value"));
        };
        let number = *place.get_or_insert_with(|| {
            self.placeholders.values.push(value.clone());
            self.placeholders.values.len() - 1
        });
        Ok(format!(":{number}"))
    }
}

fn bracketed(text: String, bare: bool) -> String {
    if bare { text } else { format!("({text})") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(hex: &str) -> Read<String> {
        print_expression(&hex::decode(hex).unwrap(), &mut Placeholders::default())
    }

    #[test]
    fn brackets_stand_only_where_the_tree_needs_them() {
        // [exists a], as a leaf
        let leaf = "820b82126161";
        let tree = |node: &str| format!("8301{node}80");
        let and = format!("8306{leaf}{leaf}");
        let or = format!("8307{leaf}{leaf}");
        let exists = "attribute_exists(#0)";
        for (node, expected) in [
            (
                format!("8306{or}{and}"),
                format!("({exists} OR {exists}) AND {exists} AND {exists}"),
            ),
            (
                format!("8307{and}{or}"),
                format!("{exists} AND {exists} OR {exists} OR {exists}"),
            ),
            (format!("8208{and}"), format!("NOT ({exists} AND {exists})")),
            (format!("8208{leaf}"), format!("NOT {exists}")),
        ] {
            assert_eq!(printed(&tree(&node)).unwrap(), expected);
        }
    }

    #[test]
    fn updates_are_sorted_into_their_clauses() {
        let set = "83138212616183181882126163821100";
        let remove = "821682126162";
        let add = "831482126164821101";
        let text = printed(&format!("830184{set}{remove}{add}{set}8201d90cfa8101")).unwrap();
        assert_eq!(
            text,
            "SET #0 = list_append(#1, :0), #0 = list_append(#1, :0) REMOVE #2 ADD #3 :1"
        );
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("8301{}820b8212616180", "8208".repeat(100_000));
        assert!(printed(&deep).is_err());
        let legal = format!("8301{}820b8212616180", "8208".repeat(300));
        assert!(printed(&legal).unwrap().starts_with("NOT NOT NOT"));
    }

    proptest! {
        #[test]
        fn arbitrary_trees_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let tree = [&[0x83, 0x01], bytes.as_slice()].concat();
            print_expression(&tree, &mut Placeholders::default()).ok();
            read_projection(&[&[0x82, 0x01], bytes.as_slice()].concat()).ok();
        }
    }
}
