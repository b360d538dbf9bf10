//! `SELECT` as reads: queries of partition keys, or a scan.
//!
//! A condition that pins the partition key with `=` or `IN` in every of its alternatives becomes a
//! query for each alternative; any other becomes a scan with the condition as filter. Conditions on the
//! sort key narrow the range of a query, all others become its filter.

use crate::error::ApiError;
use crate::expression::SortCondition;
use crate::key::{KeyAttribute, KeySchema};
use crate::value::AttributeValue;

use super::ast::{Comparator, Condition, Operand, Select};
use super::texts::{ExpressionTexts, Writer};
use super::write::check_condition;

/// Most queries that one statement may become.
const READS_MAX: usize = 50;
/// Most alternatives that are followed before a condition is left as a filter.
const ALTERNATIVES_MAX: usize = 1_000;

/// How a `SELECT` is read.
#[derive(Clone, Debug, PartialEq)]
pub enum SelectPlan {
    /// Everything, filtered.
    Scan(ExpressionTexts),
    /// Some partition keys.
    Queries {
        /// In no order yet; at least one.
        reads: Vec<KeyRead>,
        /// `ORDER BY` the partition key, `DESC`.
        partition_descending: bool,
        /// `ORDER BY` the sort key, `DESC`.
        sort_descending: bool,
    },
}

/// A query of one partition key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRead {
    /// The partition key's value, of the schema's type.
    pub partition_key: AttributeValue,
    /// What the sort key has to fulfil, all of it.
    pub sort: Vec<SortCondition>,
    /// Filter and projection.
    pub texts: ExpressionTexts,
}

impl Select {
    /// Decides how to read a table or index with that key.
    ///
    /// # Errors
    /// A ValidationException for an `ORDER BY` or key values that do not fit the key, or for a condition
    /// with too many alternatives.
    pub fn plan(&self, schema: &KeySchema) -> Result<SelectPlan, ApiError> {
        let keys = Keys { schema };
        let alternatives = self.condition.as_ref().map(|condition| {
            let found = keys.alternatives(condition);
            (found, keys.pins_partition(condition))
        });
        if let Some((found, _)) = &alternatives {
            keys.check_values(found.as_deref().unwrap_or_default())?;
        }
        let reads = match alternatives {
            Some((found, true)) => match found {
                Some(found) if found.len() <= READS_MAX => self.queries(&found),
                _ => {
                    return Err(ApiError::validation(
                        "Too many decomposed read operations for a given query.",
                    ));
                }
            },
            _ => None,
        };
        self.check_order(&keys)?;
        let descending = |name: &str| {
            self.order_by
                .iter()
                .any(|key| key.attribute == name && key.descending)
        };
        Ok(match reads {
            Some(reads) => SelectPlan::Queries {
                reads,
                partition_descending: descending(&schema.partition_key.name),
                sort_descending: schema
                    .sort_key
                    .as_ref()
                    .is_some_and(|key| descending(&key.name)),
            },
            None => SelectPlan::Scan(self.texts(self.condition.as_ref())),
        })
    }

    /// How to read an index that has several attributes in a part of its key: as a scan.
    ///
    /// # Errors
    /// A ValidationException for an `ORDER BY`.
    pub fn plan_scan(&self) -> Result<ExpressionTexts, ApiError> {
        match self.order_by.first() {
            Some(key) => Err(not_in_key(&key.attribute)),
            None => Ok(self.texts(self.condition.as_ref())),
        }
    }

    /// Refuses what no table could make right.
    ///
    /// # Errors
    /// A ValidationException.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        check_condition(self.condition.as_ref())
    }

    /// A query for each alternative; `None` if one of them pins no partition key, or two different ones.
    fn queries(&self, alternatives: &[Alternative<'_>]) -> Option<Vec<KeyRead>> {
        alternatives
            .iter()
            .map(|alternative| {
                let (first, others) = alternative.partition.split_first()?;
                others
                    .iter()
                    .all(|other| other.data_equal(first))
                    .then(|| KeyRead {
                        partition_key: (*first).clone(),
                        sort: alternative.sort.clone(),
                        texts: self.texts(alternative.filters.iter().copied()),
                    })
            })
            .collect()
    }

    fn texts<'c>(&self, filters: impl IntoIterator<Item = &'c Condition>) -> ExpressionTexts {
        let mut writer = Writer::default();
        let condition = writer.all(filters);
        let projection = writer.projection(&self.columns);
        writer.finish(ExpressionTexts {
            condition,
            projection,
            ..ExpressionTexts::default()
        })
    }

    fn check_order(&self, keys: &Keys<'_>) -> Result<(), ApiError> {
        if self.order_by.is_empty() {
            return Ok(());
        }
        let Some(condition) = &self.condition else {
            return Err(ApiError::validation(
                "Must have WHERE clause in the statement when using ORDER BY clause.",
            ));
        };
        let stranger = self
            .order_by
            .iter()
            .find(|key| !keys.schema.contains(&key.attribute));
        if let Some(key) = stranger {
            return Err(not_in_key(&key.attribute));
        }
        let partition_name = &keys.schema.partition_key.name;
        match keys.partition_conditions(condition) {
            0 => Err(ApiError::validation(
                "Must have at least one non-optional hash key condition in WHERE clause when using \
                 ORDER BY clause.",
            )),
            1 => Ok(()),
            _ if self
                .order_by
                .iter()
                .any(|key| key.attribute == *partition_name) =>
            {
                Ok(())
            }
            _ => Err(ApiError::validation(
                "Must have hash key in ORDER BY clause when more than one hash key condition \
                 specified in WHERE clause.",
            )),
        }
    }
}

fn not_in_key(attribute: &str) -> ApiError {
    ApiError::validation(format!(
        "Attribute {attribute} in ORDER BY clause must be part of the primary key"
    ))
}

/// One way to satisfy a condition.
#[derive(Clone, Default)]
struct Alternative<'c> {
    /// Values that the partition key has to equal, all of them.
    partition: Vec<&'c AttributeValue>,
    sort: Vec<SortCondition>,
    /// What else has to hold.
    filters: Vec<&'c Condition>,
}

/// Finds the conditions on key attributes.
struct Keys<'s> {
    schema: &'s KeySchema,
}

impl Keys<'_> {
    /// The ways to satisfy the condition; `None` for too many.
    fn alternatives<'c>(&self, condition: &'c Condition) -> Option<Vec<Alternative<'c>>> {
        if let Some(alternatives) = self.key_alternatives(condition) {
            return Some(alternatives);
        }
        match condition {
            Condition::And(inner) => {
                let mut all = vec![Alternative::default()];
                for condition in inner {
                    let these = self.alternatives(condition)?;
                    if all.len().saturating_mul(these.len()) > ALTERNATIVES_MAX {
                        return None;
                    }
                    all = all
                        .iter()
                        .flat_map(|left| these.iter().map(move |right| left.and(right)))
                        .collect();
                }
                Some(all)
            }
            Condition::Or(inner) if self.names_key(condition) => {
                let mut any = Vec::new();
                for condition in inner {
                    any.extend(self.alternatives(condition)?);
                    if any.len() > ALTERNATIVES_MAX {
                        return None;
                    }
                }
                Some(any)
            }
            other => Some(vec![Alternative {
                filters: vec![other],
                ..Alternative::default()
            }]),
        }
    }

    /// The ways to satisfy a condition on a key attribute; `None` for another condition.
    fn key_alternatives<'c>(&self, condition: &'c Condition) -> Option<Vec<Alternative<'c>>> {
        if let Some(values) = self.partition_values(condition) {
            return Some(
                values
                    .into_iter()
                    .map(|value| Alternative {
                        partition: vec![value],
                        ..Alternative::default()
                    })
                    .collect(),
            );
        }
        let sort_name = &self.schema.sort_key.as_ref()?.name;
        let conditions = sort_conditions(condition, sort_name)?;
        Some(
            conditions
                .into_iter()
                .map(|condition| Alternative {
                    sort: vec![condition],
                    ..Alternative::default()
                })
                .collect(),
        )
    }

    /// The values of `partition key = value` or `partition key IN [values]`.
    fn partition_values<'c>(&self, condition: &'c Condition) -> Option<Vec<&'c AttributeValue>> {
        let partition_name = self.schema.partition_key.name.as_str();
        match condition.as_equality() {
            Some((name, value)) => (name == partition_name).then(|| vec![value]),
            None => candidates(condition, partition_name),
        }
    }

    fn names_key(&self, condition: &Condition) -> bool {
        match condition {
            Condition::And(inner) | Condition::Or(inner) => {
                inner.iter().any(|condition| self.names_key(condition))
            }
            Condition::Not(_) => false,
            leaf => self.key_alternatives(leaf).is_some(),
        }
    }

    /// Whether every way to satisfy the condition pins the partition key.
    fn pins_partition(&self, condition: &Condition) -> bool {
        match condition {
            Condition::And(inner) => inner.iter().any(|condition| self.pins_partition(condition)),
            Condition::Or(inner) => inner.iter().all(|condition| self.pins_partition(condition)),
            leaf => self.partition_values(leaf).is_some(),
        }
    }

    /// How many values of the partition key the condition asks for, as `ORDER BY` counts them.
    fn partition_conditions(&self, condition: &Condition) -> usize {
        match condition {
            Condition::And(inner) => inner
                .iter()
                .map(|condition| self.partition_conditions(condition))
                .sum(),
            Condition::Or(inner) => {
                let counts = inner
                    .iter()
                    .map(|condition| self.partition_conditions(condition));
                if counts.clone().any(|count| count == 0) {
                    0
                } else {
                    counts.sum()
                }
            }
            leaf => self.partition_values(leaf).map_or(0, |values| values.len()),
        }
    }

    /// Refuses values that no key of the schema has.
    fn check_values(&self, alternatives: &[Alternative<'_>]) -> Result<(), ApiError> {
        for alternative in alternatives {
            for value in &alternative.partition {
                check_key_value(&self.schema.partition_key, value)?;
            }
            let Some(sort_key) = &self.schema.sort_key else {
                continue;
            };
            for value in alternative.sort.iter().flat_map(SortCondition::values) {
                check_key_value(sort_key, value)?;
            }
        }
        Ok(())
    }
}

impl<'c> Alternative<'c> {
    fn and(&self, other: &Self) -> Self {
        Self {
            partition: [&self.partition[..], &other.partition[..]].concat(),
            sort: [&self.sort[..], &other.sort[..]].concat(),
            filters: [&self.filters[..], &other.filters[..]].concat(),
        }
    }
}

/// The values of `attribute IN [values]`, if all are values of the statement.
fn candidates<'c>(condition: &'c Condition, attribute: &str) -> Option<Vec<&'c AttributeValue>> {
    let Condition::In(Operand::Path(path), candidates) = condition else {
        return None;
    };
    if path.is_nested() || path.attribute() != attribute {
        return None;
    }
    candidates
        .iter()
        .map(|candidate| match candidate {
            Operand::Value(value) => Some(value),
            _ => None,
        })
        .collect()
}

/// The condition on the sort key as ranges, of which one has to be fulfilled; `None` for another
/// condition.
fn sort_conditions(condition: &Condition, attribute: &str) -> Option<Vec<SortCondition>> {
    if let Some(values) = candidates(condition, attribute) {
        return Some(values.into_iter().cloned().map(SortCondition::Eq).collect());
    }
    let is_key = |operand: &Operand| matches!(operand, Operand::Path(path) if !path.is_nested() && path.attribute() == attribute);
    let condition = match condition {
        Condition::Compare(comparator, key, Operand::Value(value)) if is_key(key) => {
            compared(*comparator, value)?
        }
        Condition::Compare(comparator, Operand::Value(value), key) if is_key(key) => {
            compared(comparator.flipped(), value)?
        }
        Condition::Between(key, Operand::Value(low), Operand::Value(high)) if is_key(key) => {
            SortCondition::Between(low.clone(), high.clone())
        }
        Condition::BeginsWith(key, Operand::Value(prefix)) if is_key(key) => {
            SortCondition::BeginsWith(prefix.clone())
        }
        _ => return None,
    };
    Some(vec![condition])
}

fn compared(comparator: Comparator, value: &AttributeValue) -> Option<SortCondition> {
    let value = value.clone();
    Some(match comparator {
        Comparator::Equal => SortCondition::Eq(value),
        Comparator::NotEqual => return None,
        Comparator::Less => SortCondition::Lt(value),
        Comparator::LessOrEqual => SortCondition::Le(value),
        Comparator::Greater => SortCondition::Gt(value),
        Comparator::GreaterOrEqual => SortCondition::Ge(value),
    })
}

fn check_key_value(key: &KeyAttribute, value: &AttributeValue) -> Result<(), ApiError> {
    let kind = match value {
        AttributeValue::S(text) => text.is_empty().then_some("string"),
        AttributeValue::B(bytes) => bytes.is_empty().then_some("binary"),
        AttributeValue::N(_) => None,
        other => {
            return Err(ApiError::validation(format!(
                "Key value must be of type S, N, or B. Key name: {}, Key type: {}",
                key.name,
                other.type_name()
            )));
        }
    };
    if !key.scalar_type.matches(value) {
        return Err(ApiError::validation(format!(
            "Key attribute's data type should match its data type in table's schema: Key {}",
            key.name
        )));
    }
    match kind {
        Some(kind) => Err(ApiError::validation(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute \
             cannot contain an empty {kind} value. Key: {}",
            key.name
        ))),
        None => Ok(()),
    }
}
