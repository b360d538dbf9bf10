//! The model's constraints, gathered and worded as the service words them.

use std::fmt::Display;

use crate::error::ApiError;
use crate::limits;
use crate::operations::parameters::Parameter;
use crate::table;

/// The pattern of table and index names, as errors quote it.
const NAME_PATTERN: &str = "regular expression pattern: [a-zA-Z0-9_.-]+";

/// Broken constraints in the order in which they were found.
#[derive(Default)]
pub(crate) struct Constraints {
    broken: Vec<String>,
}

impl Constraints {
    /// A member that is required.
    pub(crate) fn require<T>(&mut self, path: &str, value: Option<&T>) {
        if value.is_none() {
            self.add_null(path);
        }
    }

    /// A member that is required and absent.
    pub(crate) fn add_null(&mut self, path: &str) {
        self.broken.push(format!(
            "Value null at '{path}' failed to satisfy constraint: Member must not be null"
        ));
    }

    /// A member that breaks `rule`, the words after "Member must".
    pub(crate) fn add(&mut self, path: &str, value: impl Display, rule: &str) {
        self.broken.push(format!(
            "Value '{value}' at '{path}' failed to satisfy constraint: Member must {rule}"
        ));
    }

    /// A word out of a closed set; `words` is the set as errors list it. `None` if it is absent or
    /// not in the set.
    pub(crate) fn word<T>(
        &mut self,
        path: &str,
        value: Option<&str>,
        words: &str,
        from_name: fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = value?;
        let found = from_name(value);
        if found.is_none() {
            self.add(path, value, &format!("satisfy enum value set: {words}"));
        }
        found
    }

    /// A word that requests choose from; as [`Constraints::word`].
    pub(crate) fn parameter<P: Parameter>(&mut self, path: &str, value: Option<&str>) -> Option<P> {
        self.word(path, value, P::WORDS, P::from_name)
    }

    /// A number with bounds.
    pub(crate) fn range(&mut self, path: &str, value: Option<i64>, min: i64, max: i64) {
        if let Some(value) = value {
            if value < min {
                self.add(
                    path,
                    value,
                    &format!("have value greater than or equal to {min}"),
                );
            } else if value > max {
                self.add(
                    path,
                    value,
                    &format!("have value less than or equal to {max}"),
                );
            }
        }
    }

    /// The name of an index, or of a table where nothing but its name may stand.
    pub(crate) fn name(&mut self, path: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        if !table::is_name(value) {
            self.add(path, value, &format!("satisfy {NAME_PATTERN}"));
        }
        self.length(
            path,
            value,
            limits::TABLE_NAME_LENGTH_MIN,
            limits::TABLE_NAME_LENGTH_MAX,
        );
    }

    /// The table of an action of a transaction, by name or ARN.
    pub(crate) fn action_table(&mut self, path: &str, value: Option<&str>) {
        let Some(value) = value else {
            self.add_null(path);
            return;
        };
        let name = table::table_name_of(value);
        if name.len() != value.len() && value.len() > limits::TABLE_ARN_LENGTH_MAX {
            self.length(path, value, 1, limits::TABLE_ARN_LENGTH_MAX);
        } else if !name.is_empty() && !table::is_name(name) {
            self.add(path, value, &format!("satisfy {NAME_PATTERN}"));
        } else {
            self.length(path, name, 1, limits::TABLE_NAME_LENGTH_MAX);
        }
    }

    /// The actions of a transaction, of which there must be 1 to 100.
    pub(crate) fn actions<T>(&mut self, path: &str, actions: Option<&[T]>) {
        match actions.map(<[T]>::len) {
            None => self.add_null(path),
            Some(0) => self.add(path, "[]", "have length greater than or equal to 1"),
            Some(count) if count > limits::TRANSACTION_ACTIONS_MAX => {
                let max = limits::TRANSACTION_ACTIONS_MAX;
                let rule = format!("have length less than or equal to {max}");
                self.add(path, "[...]", &rule);
            }
            Some(_) => {}
        }
    }

    /// A string whose length is bounded.
    pub(crate) fn length(&mut self, path: &str, value: &str, min: usize, max: usize) {
        let length = value.chars().count();
        if length < min {
            self.add(
                path,
                value,
                &format!("have length greater than or equal to {min}"),
            );
        } else if length > max {
            self.add(
                path,
                value,
                &format!("have length less than or equal to {max}"),
            );
        }
    }

    /// All broken constraints as one error.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        match self.broken.len() {
            0 => Ok(()),
            1 => Err(ApiError::validation(format!(
                "1 validation error detected: {}",
                self.broken.join("; ")
            ))),
            count => Err(ApiError::validation(format!(
                "{count} validation errors detected: {}",
                self.broken.join("; ")
            ))),
        }
    }

    /// Only the first broken constraint: what UpdateItem reports.
    pub(crate) fn finish_with_first(mut self) -> Result<(), ApiError> {
        self.broken.truncate(1);
        self.finish()
    }
}

/// `AttributesToGet` names at least one attribute and not absurdly many.
pub(crate) fn attributes_to_get(
    path: &str,
    attributes: Option<&[String]>,
    constraints: &mut Constraints,
) {
    const ATTRIBUTES_MAX: usize = 255;
    match attributes.map(<[String]>::len) {
        Some(0) => constraints.add(path, "[]", "have length greater than or equal to 1"),
        Some(count) if count > ATTRIBUTES_MAX => {
            let shown = attributes.unwrap_or_default().join(", ");
            let rule = format!("have length less than or equal to {ATTRIBUTES_MAX}");
            constraints.add(path, format_args!("[{shown}]"), &rule);
        }
        _ => {}
    }
}

/// Checks a `TableName` member, which is reported alone, before everything else. `length_min` is 1
/// for data operations and 3 where a table is changed.
pub(crate) fn table_name(value: Option<String>, length_min: usize) -> Result<String, ApiError> {
    let mut constraints = Constraints::default();
    let Some(value) = value else {
        constraints.add_null("tableName");
        constraints.finish()?;
        return Ok(String::new());
    };
    let name = table::table_name_of(&value);
    let is_arn = name.len() != value.len();
    if is_arn && value.len() > limits::TABLE_ARN_LENGTH_MAX {
        constraints.length("tableName", &value, 1, limits::TABLE_ARN_LENGTH_MAX);
    } else if !name.is_empty() && !table::is_name(name) {
        constraints.add("tableName", &value, &format!("satisfy {NAME_PATTERN}"));
    } else {
        constraints.length("tableName", name, length_min, limits::TABLE_NAME_LENGTH_MAX);
    }
    constraints.finish()?;
    Ok(value)
}

/// Checks the tables' names of a batch.
pub(crate) fn batch_table_names<'a>(
    mut table_names: impl Iterator<Item = &'a String>,
) -> Result<(), ApiError> {
    let broken = table_names.find(|reference| {
        let name = table::table_name_of(reference);
        !table::is_name(name) || name.len() > limits::TABLE_NAME_LENGTH_MAX
    });
    match broken {
        None => Ok(()),
        Some(name) => Err(ApiError::validation(format!(
            "1 validation error detected: Value '{{{name}=...}}' at 'requestItems' failed to satisfy \
             constraint: Map keys must satisfy constraint: [Member must have length less than or \
             equal to 255, Member must have length greater than or equal to 1, Member must satisfy \
             {NAME_PATTERN}]"
        ))),
    }
}
