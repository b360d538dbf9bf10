//! Writes a statement as text, so that parsing it again gives the same tree.
//!
//! Values that PartiQL has no way to write, which are those with bytes in them, become parameters.

use crate::expression::{DocumentPath, PathElement};
use crate::operations::ReturnValues;
use crate::value::{AttributeValue, Item};

use super::ast::{
    Condition, Operand, OrderBy, Select, SetOperand, SetValue, Statement, UpdateAction,
};
use super::parser::returning_clause;

/// The statement as text, and the values of its `?`.
pub fn print(statement: &Statement) -> (String, Vec<AttributeValue>) {
    let mut printer = Printer::default();
    printer.statement(statement);
    (printer.out, printer.parameters)
}

#[derive(Default)]
struct Printer {
    out: String,
    parameters: Vec<AttributeValue>,
}

impl Printer {
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Select(select) => self.select(select),
            Statement::Exists(select) => {
                self.push("EXISTS(");
                self.select(select);
                self.push(")");
            }
            Statement::Insert(insert) => {
                self.push("INSERT INTO ");
                self.name(&insert.table);
                self.push(" VALUE ");
                self.item(&insert.item);
            }
            Statement::Update(update) => {
                self.push("UPDATE ");
                self.table(&update.table, update.index.as_deref());
                update.actions.iter().for_each(|action| self.action(action));
                self.where_clause(update.condition.as_ref());
                self.returning(update.returning);
            }
            Statement::Delete(delete) => {
                self.push("DELETE FROM ");
                self.table(&delete.table, delete.index.as_deref());
                self.where_clause(delete.condition.as_ref());
                self.returning(delete.returning);
            }
        }
    }

    fn select(&mut self, select: &Select) {
        self.push("SELECT ");
        if select.columns.is_empty() {
            self.push("*");
        }
        self.separated(&select.columns, ", ", Self::path);
        self.push(" FROM ");
        self.table(&select.table, select.index.as_deref());
        self.where_clause(select.condition.as_ref());
        if !select.order_by.is_empty() {
            self.push(" ORDER BY ");
            self.separated(&select.order_by, ", ", Self::order_key);
        }
    }

    fn order_key(&mut self, key: &OrderBy) {
        self.name(&key.attribute);
        if key.descending {
            self.push(" DESC");
        }
    }

    fn separated<T>(&mut self, all: &[T], separator: &str, write: impl Fn(&mut Self, &T)) {
        for (at, one) in all.iter().enumerate() {
            if at > 0 {
                self.push(separator);
            }
            write(self, one);
        }
    }

    fn table(&mut self, table: &str, index: Option<&str>) {
        self.name(table);
        if let Some(index) = index {
            self.push(".");
            self.name(index);
        }
    }

    fn where_clause(&mut self, condition: Option<&Condition>) {
        if let Some(condition) = condition {
            self.push(" WHERE ");
            self.condition(condition);
        }
    }

    fn returning(&mut self, returning: ReturnValues) {
        if returning != ReturnValues::None {
            self.push(" ");
            self.push(returning_clause(returning));
        }
    }

    fn action(&mut self, action: &UpdateAction) {
        match action {
            UpdateAction::Set(path, value) => {
                self.assignment(path);
                match value {
                    SetValue::Operand(operand) => self.set_operand(operand),
                    SetValue::Plus(left, right) => self.arithmetic(left, " + ", right),
                    SetValue::Minus(left, right) => self.arithmetic(left, " - ", right),
                }
            }
            UpdateAction::Remove(path) => {
                self.push(" REMOVE ");
                self.path(path);
            }
            UpdateAction::SetAdd(path, set) => self.set_change("set_add(", path, set),
            UpdateAction::SetDelete(path, set) => self.set_change("set_delete(", path, set),
        }
    }

    fn assignment(&mut self, path: &DocumentPath) {
        self.push(" SET ");
        self.path(path);
        self.push(" = ");
    }

    fn arithmetic(&mut self, left: &SetOperand, operator: &str, right: &SetOperand) {
        self.set_operand(left);
        self.push(operator);
        self.set_operand(right);
    }

    fn set_change(&mut self, function: &str, path: &DocumentPath, set: &AttributeValue) {
        self.assignment(path);
        self.push(function);
        self.path(path);
        self.push(", ");
        self.value(set);
        self.push(")");
    }

    fn set_operand(&mut self, operand: &SetOperand) {
        match operand {
            SetOperand::Path(path) => self.path(path),
            SetOperand::Value(value) => self.value(value),
            SetOperand::ListAppend(first, second) => {
                self.push("list_append(");
                self.set_operand(first);
                self.push(", ");
                self.set_operand(second);
                self.push(")");
            }
            SetOperand::IfNotExists(path, fallback) => {
                self.push("if_not_exists(");
                self.path(path);
                self.push(", ");
                self.set_operand(fallback);
                self.push(")");
            }
        }
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::And(inner) => self.separated(inner, " AND ", Self::inner_condition),
            // Nothing in an `Or` needs brackets: it binds weakest.
            Condition::Or(inner) => self.separated(inner, " OR ", Self::condition),
            Condition::Not(inner) => {
                self.push("NOT ");
                match **inner {
                    Condition::And(_) => self.bracketed(inner),
                    _ => self.inner_condition(inner),
                }
            }
            Condition::Compare(comparator, left, right) => {
                self.operand(left);
                self.push(" ");
                self.push(comparator.as_str());
                self.push(" ");
                self.operand(right);
            }
            Condition::Between(value, low, high) => {
                self.operand(value);
                self.push(" BETWEEN ");
                self.operand(low);
                self.push(" AND ");
                self.operand(high);
            }
            Condition::In(value, candidates) => {
                self.operand(value);
                self.push(" IN [");
                self.separated(candidates, ", ", Self::operand);
                self.push("]");
            }
            Condition::Exists(path) => {
                self.path(path);
                self.push(" IS NOT MISSING");
            }
            Condition::Missing(path) => {
                self.path(path);
                self.push(" IS MISSING");
            }
            Condition::HasType(operand, type_name) => {
                self.push("attribute_type(");
                self.operand(operand);
                self.push(", ");
                self.value(type_name);
                self.push(")");
            }
            Condition::BeginsWith(left, right) => self.call("begins_with(", left, right),
            Condition::Contains(left, right) => self.call("contains(", left, right),
        }
    }

    /// A condition inside a stronger one. No brackets but those that are needed: a statement must not
    /// nest deeper than the text it came from.
    fn inner_condition(&mut self, condition: &Condition) {
        if matches!(condition, Condition::Or(_)) {
            self.bracketed(condition);
        } else {
            self.condition(condition);
        }
    }

    fn bracketed(&mut self, condition: &Condition) {
        self.push("(");
        self.condition(condition);
        self.push(")");
    }

    fn call(&mut self, function: &str, left: &Operand, right: &Operand) {
        self.push(function);
        self.operand(left);
        self.push(", ");
        self.operand(right);
        self.push(")");
    }

    fn operand(&mut self, operand: &Operand) {
        match operand {
            Operand::Path(path) => self.path(path),
            Operand::Value(value) => self.value(value),
            Operand::Size(path) => {
                self.push("size(");
                self.path(path);
                self.push(")");
            }
        }
    }

    fn path(&mut self, path: &DocumentPath) {
        self.name(path.attribute());
        for step in path.steps() {
            match step {
                PathElement::Attribute(name) => {
                    self.push(".");
                    self.name(name);
                }
                PathElement::Index(index) => self.push(&format!("[{index}]")),
            }
        }
    }

    fn name(&mut self, name: &str) {
        self.quoted(name, "\"");
    }

    fn quoted(&mut self, text: &str, quote: &str) {
        self.push(quote);
        self.push(&text.replace(quote, &quote.repeat(2)));
        self.push(quote);
    }

    /// The item of an `INSERT`, whose values may be parameters each.
    fn item(&mut self, item: &Item) {
        self.push("{");
        for (at, (name, value)) in item.iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            self.quoted(name, "'");
            self.push(": ");
            self.value(value);
        }
        self.push("}");
    }

    fn value(&mut self, value: &AttributeValue) {
        if can_be_written(value) {
            self.literal(value);
        } else {
            self.push("?");
            self.parameters.push(value.clone());
        }
    }

    fn literal(&mut self, value: &AttributeValue) {
        match value {
            AttributeValue::S(text) => self.quoted(text, "'"),
            AttributeValue::N(number) => self.push(&number.to_string()),
            AttributeValue::Bool(true) => self.push("true"),
            AttributeValue::Bool(false) => self.push("false"),
            AttributeValue::Ss(texts) => {
                self.push("<<");
                self.separated(texts, ", ", |printer, text| printer.quoted(text, "'"));
                self.push(">>");
            }
            AttributeValue::Ns(numbers) => {
                self.push("<<");
                self.separated(numbers, ", ", |printer, n| printer.push(&n.to_string()));
                self.push(">>");
            }
            AttributeValue::L(members) => {
                self.push("[");
                self.separated(members, ", ", Self::literal);
                self.push("]");
            }
            AttributeValue::M(members) => {
                self.push("{");
                for (at, (name, value)) in members.iter().enumerate() {
                    if at > 0 {
                        self.push(", ");
                    }
                    self.quoted(name, "'");
                    self.push(": ");
                    self.literal(value);
                }
                self.push("}");
            }
            // The last two are parameters.
            AttributeValue::Null | AttributeValue::B(_) | AttributeValue::Bs(_) => {
                self.push("null");
            }
        }
    }
}

fn can_be_written(value: &AttributeValue) -> bool {
    match value {
        AttributeValue::B(_) | AttributeValue::Bs(_) => false,
        AttributeValue::L(members) => members.iter().all(can_be_written),
        AttributeValue::M(members) => members.values().all(can_be_written),
        _ => true,
    }
}
