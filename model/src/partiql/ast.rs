//! Statements as trees. Parameters are in their places already, so nothing here refers to a request.

use std::collections::BTreeMap;

use crate::expression::{DocumentPath, PathElement};
use crate::operations::ReturnValues;
use crate::value::{AttributeValue, Item};

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// Reads items.
    Select(Select),
    /// Makes an item that must not exist.
    Insert(Insert),
    /// Changes an item that must exist.
    Update(Update),
    /// Removes an item.
    Delete(Delete),
    /// `EXISTS(SELECT …)`: a condition of a transaction.
    Exists(Select),
}

/// `SELECT columns FROM table [. index] [WHERE condition] [ORDER BY key [ASC | DESC], …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// Which attributes to answer; empty for `*`.
    pub columns: Vec<DocumentPath>,
    /// The table's name.
    pub table: String,
    /// The index to read instead of the table.
    pub index: Option<String>,
    /// What items must satisfy.
    pub condition: Option<Condition>,
    /// The order of the answer.
    pub order_by: Vec<OrderBy>,
}

/// A key attribute in `ORDER BY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderBy {
    /// Name of the attribute.
    pub attribute: String,
    /// `DESC`.
    pub descending: bool,
}

/// `INSERT INTO table VALUE {…}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// The table's name.
    pub table: String,
    /// The whole new item.
    pub item: Item,
}

/// `UPDATE table SET … REMOVE … WHERE condition [RETURNING …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The table's name.
    pub table: String,
    /// An index after the table's name, which is always refused.
    pub index: Option<String>,
    /// What to change, in the order of the text; never empty.
    pub actions: Vec<UpdateAction>,
    /// Which item, and what it must satisfy.
    pub condition: Option<Condition>,
    /// `RETURNING`.
    pub returning: ReturnValues,
}

/// `DELETE FROM table WHERE condition [RETURNING ALL OLD *]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// The table's name.
    pub table: String,
    /// An index after the table's name, which is always refused.
    pub index: Option<String>,
    /// Which item, and what it must satisfy.
    pub condition: Option<Condition>,
    /// `RETURNING`: nothing or the old item.
    pub returning: ReturnValues,
}

/// One change of an `UPDATE`.
#[derive(Clone, Debug, PartialEq)]
pub enum UpdateAction {
    /// `SET path = value`.
    Set(DocumentPath, SetValue),
    /// `REMOVE path`.
    Remove(DocumentPath),
    /// `SET path = set_add(path, set)`.
    SetAdd(DocumentPath, AttributeValue),
    /// `SET path = set_delete(path, set)`.
    SetDelete(DocumentPath, AttributeValue),
}

/// The right-hand side of `SET`.
#[derive(Clone, Debug, PartialEq)]
pub enum SetValue {
    /// A value as it is.
    Operand(SetOperand),
    /// The sum of two numbers.
    Plus(SetOperand, SetOperand),
    /// The difference of two numbers.
    Minus(SetOperand, SetOperand),
}

/// An operand on the right-hand side of `SET`; its depth is bounded by the parser.
#[derive(Clone, Debug, PartialEq)]
pub enum SetOperand {
    /// From the item as it was.
    Path(DocumentPath),
    /// From the statement.
    Value(AttributeValue),
    /// `list_append(first, second)`.
    ListAppend(Box<SetOperand>, Box<SetOperand>),
    /// `if_not_exists(path, fallback)`.
    IfNotExists(DocumentPath, Box<SetOperand>),
}

/// A condition of a `WHERE`; its depth is bounded by the parser.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// True when all are; at least two, none of them an `And`.
    And(Vec<Condition>),
    /// True when one is; at least two, none of them an `Or`.
    Or(Vec<Condition>),
    /// True when the inner one is false.
    Not(Box<Condition>),
    /// The operands in the relation of the comparator.
    Compare(Comparator, Operand, Operand),
    /// The first at least the second and at most the third.
    Between(Operand, Operand, Operand),
    /// The first equal to one of the others.
    In(Operand, Vec<Operand>),
    /// `path IS NOT MISSING`.
    Exists(DocumentPath),
    /// `path IS MISSING`.
    Missing(DocumentPath),
    /// `attribute_type(operand, type)`, and `path IS NULL`.
    HasType(Operand, AttributeValue),
    /// `begins_with(operand, prefix)`.
    BeginsWith(Operand, Operand),
    /// `contains(operand, element)`.
    Contains(Operand, Operand),
}

/// Where a value of a condition comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// From the item.
    Path(DocumentPath),
    /// From the statement.
    Value(AttributeValue),
    /// `size(path)`.
    Size(DocumentPath),
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `<>` or `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparator {
    /// The operator as written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The operator written so.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        Some(match text {
            "=" => Self::Equal,
            "<>" | "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    /// The operator that says the same with its operands exchanged.
    pub(super) fn flipped(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

impl Statement {
    /// The table that the statement is about.
    pub fn table(&self) -> &str {
        match self {
            Self::Select(select) | Self::Exists(select) => &select.table,
            Self::Insert(insert) => &insert.table,
            Self::Update(update) => &update.table,
            Self::Delete(delete) => &delete.table,
        }
    }

    /// The index after the table's name.
    pub fn index(&self) -> Option<&str> {
        match self {
            Self::Select(select) | Self::Exists(select) => select.index.as_deref(),
            Self::Insert(_) => None,
            Self::Update(update) => update.index.as_deref(),
            Self::Delete(delete) => delete.index.as_deref(),
        }
    }

    /// What the statement answers of the item it wrote.
    pub fn returning(&self) -> ReturnValues {
        match self {
            Self::Select(_) | Self::Insert(_) | Self::Exists(_) => ReturnValues::None,
            Self::Update(update) => update.returning,
            Self::Delete(delete) => delete.returning,
        }
    }

    /// The action that a policy must allow.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Select(_) | Self::Exists(_) => "dynamodb:PartiQLSelect",
            Self::Insert(_) => "dynamodb:PartiQLInsert",
            Self::Update(_) => "dynamodb:PartiQLUpdate",
            Self::Delete(_) => "dynamodb:PartiQLDelete",
        }
    }
}

impl Condition {
    /// The conditions that all have to hold: those of an `And`, or the one itself.
    pub(super) fn conjuncts(&self) -> &[Condition] {
        match self {
            Self::And(inner) => inner,
            single => std::slice::from_ref(single),
        }
    }

    /// The attribute and value of `attribute = value`, whichever way round.
    pub(super) fn as_equality(&self) -> Option<(&str, &AttributeValue)> {
        match self {
            Self::Compare(Comparator::Equal, Operand::Path(path), Operand::Value(value))
            | Self::Compare(Comparator::Equal, Operand::Value(value), Operand::Path(path))
                if !path.is_nested() =>
            {
                Some((path.attribute(), value))
            }
            _ => None,
        }
    }
}

/// The name under which a column is answered: that of the last member, with the list indexes behind it.
/// `a.b[0]` is answered as `b[0]`.
pub(super) fn column_name(path: &DocumentPath) -> String {
    let steps = path.steps();
    let last_member = steps
        .iter()
        .rposition(|step| matches!(step, PathElement::Attribute(_)));
    let (mut name, indexes) = match last_member {
        None => (path.attribute().to_owned(), steps),
        Some(at) => (
            match steps.get(at) {
                Some(PathElement::Attribute(name)) => name.clone(),
                _ => String::new(),
            },
            steps.get(at + 1..).unwrap_or_default(),
        ),
    };
    for step in indexes {
        if let PathElement::Index(index) = step {
            name.push_str(&format!("[{index}]"));
        }
    }
    name
}

/// The item reduced to the columns, each under its [`column_name`]; what the item does not have is left
/// out.
pub fn select_columns(columns: &[DocumentPath], item: &Item) -> Item {
    columns
        .iter()
        .filter_map(|path| Some((column_name(path), path.resolve(item)?.clone())))
        .collect::<BTreeMap<_, _>>()
}
