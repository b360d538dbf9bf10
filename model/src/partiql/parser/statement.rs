//! The four statements, and `EXISTS`.

use crate::expression::DocumentPath;
use crate::operations::ReturnValues;
use crate::partiql::ast::{
    Condition, Delete, Insert, OrderBy, Select, Statement, Update, column_name,
};
use crate::partiql::lexer::TokenKind;

use super::{ApiError, Parsed, Parser, malformed};

/// The answer to an `UPDATE` or `DELETE` that does not say which item.
pub(in crate::partiql) const KEY_REQUIRED: &str =
    "Where clause does not contain a mandatory equality on all key attributes";

impl Parser<'_> {
    pub(super) fn statement(&mut self) -> Parsed<Statement> {
        if self.at_function_named("EXISTS") {
            self.bump();
            self.expect("(")?;
            self.expect_word("SELECT")?;
            let select = self.select()?;
            self.expect(")")?;
            return Ok(Statement::Exists(select));
        }
        if self.eat_word("SELECT") {
            self.select().map(Statement::Select)
        } else if self.eat_word("INSERT") {
            self.insert().map(Statement::Insert)
        } else if self.eat_word("UPDATE") {
            self.update().map(Statement::Update)
        } else if self.eat_word("DELETE") {
            self.delete().map(Statement::Delete)
        } else {
            Err(malformed("Expected data manipulation"))
        }
    }

    fn select(&mut self) -> Parsed<Select> {
        let columns = self.columns()?;
        if !self.eat_word("FROM") {
            return Err(malformed("Expected FROM after SELECT list"));
        }
        let (table, index) = self.table()?;
        let condition = self.optional_condition()?;
        let order_by = self.clauses_after_where()?;
        Ok(Select {
            columns,
            table,
            index,
            condition,
            order_by,
        })
    }

    /// The columns of `SELECT`; none for `*`.
    fn columns(&mut self) -> Parsed<Vec<DocumentPath>> {
        if self.at_word("FROM") || self.peek().kind == TokenKind::End {
            return Err(malformed("Cannot have empty SELECT list"));
        }
        let mut columns = Vec::new();
        let mut all = false;
        let mut count = 0_usize;
        loop {
            if self.eat("*") {
                all = true;
            } else {
                columns.extend(self.column()?);
            }
            count += 1;
            if !self.eat(",") {
                break;
            }
        }
        if all && count > 1 {
            self.note("Other attributes should not be present in the projection when '*' is used.");
        }
        let mut names: Vec<String> = columns.iter().map(column_name).collect();
        names.sort_unstable();
        let repeated = names
            .iter()
            .zip(names.iter().skip(1))
            .find(|(name, next)| name == next);
        if let Some((name, _)) = repeated {
            self.note(format!("Duplicate identifiers in select clause: {name}"));
        }
        Ok(if all { Vec::new() } else { columns })
    }

    /// One column; `None` for something else, which is noted: only attributes can be selected.
    fn column(&mut self) -> Parsed<Option<DocumentPath>> {
        let token = self.peek();
        let place = self.place(&token);
        let column = if self.at_function() {
            self.bump();
            self.skip_brackets()?;
            self.note(format!("Unexpected path component at {place}"));
            None
        } else if self.at_name() {
            Some(self.path()?)
        } else {
            self.value()?;
            self.note(format!("Unexpected path component at {place}"));
            None
        };
        if self.eat_word("AS") || self.at_name() {
            let place = self.place(&self.peek());
            self.name()?;
            self.note(format!("Unsupported clause: AS at {place}"));
        }
        Ok(column)
    }

    /// `table` or `table.index`.
    fn table(&mut self) -> Parsed<(String, Option<String>)> {
        let table = self.name()?;
        let index = if self.eat(".") {
            Some(self.name()?)
        } else {
            None
        };
        if table.is_empty() || index.as_ref().is_some_and(String::is_empty) {
            self.note("Path component cannot be an empty string");
        }
        if self.at(".") {
            return Err(ApiError::validation(
                "A path may contain at most 2 components in the FROM clause",
            ));
        }
        Ok((table, index))
    }

    /// What may follow the condition of a `SELECT`: `ORDER BY`; the rest of SQL is refused.
    fn clauses_after_where(&mut self) -> Parsed<Vec<OrderBy>> {
        if self.at(",") || self.at_word("JOIN") {
            return Err(ApiError::validation(
                "FROM clause may only contain a single table name",
            ));
        }
        if self.at_word("AS") || self.at("[") {
            return Err(ApiError::validation("Unexpected from source"));
        }
        for clause in ["GROUP", "HAVING"] {
            if self.eat_word(clause) {
                let words = if self.eat_word("BY") { " BY" } else { "" };
                let place = self.place(&self.peek());
                return Err(ApiError::validation(format!(
                    "Unsupported clause: {clause}{words} at {place}"
                )));
            }
        }
        let order_by = if self.eat_word("ORDER") {
            self.expect_word("BY")?;
            self.order_by()?
        } else {
            Vec::new()
        };
        for clause in ["LIMIT", "OFFSET"] {
            if self.eat_word(clause) {
                let place = self.place(&self.peek());
                self.value()?;
                self.note(format!("Unsupported clause: {clause} at {place}"));
            }
        }
        Ok(order_by)
    }

    fn order_by(&mut self) -> Parsed<Vec<OrderBy>> {
        let mut keys = Vec::new();
        loop {
            let path = self.path()?;
            let descending = self.eat_word("DESC");
            if !descending {
                self.eat_word("ASC");
            }
            if path.is_nested() {
                self.note(format!(
                    "Attribute {} in ORDER BY clause must be part of the primary key",
                    column_name(&path)
                ));
            }
            keys.push(OrderBy {
                attribute: path.attribute().to_owned(),
                descending,
            });
            if !self.eat(",") {
                return Ok(keys);
            }
        }
    }

    fn insert(&mut self) -> Parsed<Insert> {
        self.expect_word("INTO")?;
        let table = self.name()?;
        if self.at(".") {
            return Err(ApiError::validation(
                "FROM clause may only contain a single table name",
            ));
        }
        if table.is_empty() {
            self.note("Path component cannot be an empty string");
        }
        self.expect_word("VALUE")?;
        self.expect("{")?;
        let item = self.item()?;
        Ok(Insert { table, item })
    }

    fn update(&mut self) -> Parsed<Update> {
        let (table, index) = self.table()?;
        let actions = self.update_actions()?;
        let condition = self.required_condition()?;
        let returning = self.returning()?;
        Ok(Update {
            table,
            index,
            actions,
            condition,
            returning,
        })
    }

    fn delete(&mut self) -> Parsed<Delete> {
        if !self.eat_word("FROM") {
            return Err(malformed("Expected FROM after DELETE"));
        }
        let (table, index) = self.table()?;
        let condition = self.required_condition()?;
        let returning = self.returning()?;
        if !matches!(returning, ReturnValues::None | ReturnValues::AllOld) {
            self.note(format!(
                "Invalid returning clause: {}. Only RETURNING ALL OLD * is allowed in DELETE \
                 statements.",
                returning_clause(returning)
            ));
        }
        Ok(Delete {
            table,
            index,
            condition,
            returning,
        })
    }

    fn optional_condition(&mut self) -> Parsed<Option<Condition>> {
        if self.eat_word("WHERE") {
            self.condition().map(Some)
        } else {
            Ok(None)
        }
    }

    /// The condition of a statement that has to name its item.
    fn required_condition(&mut self) -> Parsed<Option<Condition>> {
        let condition = self.optional_condition()?;
        if condition.is_none() {
            self.note(KEY_REQUIRED);
        }
        Ok(condition)
    }

    /// `RETURNING (ALL | MODIFIED) (OLD | NEW) *`.
    fn returning(&mut self) -> Parsed<ReturnValues> {
        if !self.eat_word("RETURNING") {
            return Ok(ReturnValues::None);
        }
        let all = self.eat_word("ALL");
        if !all && !self.eat_word("MODIFIED") {
            return Err(malformed("Expected ALL or MODIFIED in a returning clause."));
        }
        let old = self.eat_word("OLD");
        if !old && !self.eat_word("NEW") {
            return Err(malformed("Expected OLD or NEW in a returning clause."));
        }
        self.expect("*")?;
        Ok(match (all, old) {
            (true, true) => ReturnValues::AllOld,
            (true, false) => ReturnValues::AllNew,
            (false, true) => ReturnValues::UpdatedOld,
            (false, false) => ReturnValues::UpdatedNew,
        })
    }
}

/// A `RETURNING` clause as statements have it.
pub(in crate::partiql) fn returning_clause(returning: ReturnValues) -> &'static str {
    match returning {
        ReturnValues::None => "",
        ReturnValues::AllOld => "RETURNING ALL OLD *",
        ReturnValues::UpdatedOld => "RETURNING MODIFIED OLD *",
        ReturnValues::AllNew => "RETURNING ALL NEW *",
        ReturnValues::UpdatedNew => "RETURNING MODIFIED NEW *",
    }
}
