//! The changes of `UPDATE`.

use crate::partiql::ast::{SetOperand, SetValue, UpdateAction};
use crate::value::AttributeValue;

use super::{ApiError, DocumentPath, Parsed, Parser, malformed};

impl Parser<'_> {
    /// `SET path = value, … REMOVE path, …`, each as often as wanted.
    pub(super) fn update_actions(&mut self) -> Parsed<Vec<UpdateAction>> {
        let mut actions = Vec::new();
        loop {
            if self.eat_word("SET") {
                actions.push(self.assignment()?);
                while self.eat(",") {
                    actions.push(self.assignment()?);
                }
            } else if self.eat_word("REMOVE") {
                actions.push(UpdateAction::Remove(self.path()?));
                while self.eat(",") {
                    actions.push(UpdateAction::Remove(self.path()?));
                }
            } else if actions.is_empty() {
                return Err(malformed("Expected data manipulation"));
            } else {
                return Ok(actions);
            }
        }
    }

    fn assignment(&mut self) -> Parsed<UpdateAction> {
        let path = self.path()?;
        self.expect("=")?;
        for function in ["SET_ADD", "SET_DELETE"] {
            if self.at_function_named(function) {
                let set = self.set_argument(function, &path)?;
                return Ok(match function {
                    "SET_ADD" => UpdateAction::SetAdd(path, set),
                    _ => UpdateAction::SetDelete(path, set),
                });
            }
        }
        let left = self.set_operand()?;
        let value = if self.eat("+") {
            SetValue::Plus(left, self.set_operand()?)
        } else if self.eat("-") {
            SetValue::Minus(left, self.set_operand()?)
        } else {
            SetValue::Operand(left)
        };
        self.refuse_arithmetic()?;
        Ok(UpdateAction::Set(path, value))
    }

    /// The set in `set_add(path, set)`; the path has to be that of the assignment.
    fn set_argument(&mut self, function: &str, target: &DocumentPath) -> Parsed<AttributeValue> {
        let called = self.bump();
        let at = self.place(&called);
        self.expect("(")?;
        let first_at = self.place(&self.peek());
        if self.path()? != *target {
            self.note(format!(
                "The first argument to {function} must equal the assignment value at {at}"
            ));
        }
        self.expect(",")?;
        let set = self.value()?;
        self.expect(")")?;
        if !matches!(
            set,
            AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_)
        ) {
            self.note(format!(
                "The second argument to {function} must be a value with type SET at {first_at}"
            ));
        }
        Ok(set)
    }

    fn set_operand(&mut self) -> Parsed<SetOperand> {
        if self.at_function_named("LIST_APPEND") {
            self.open_call()?;
            let first = self.set_operand()?;
            self.expect(",")?;
            let second = self.set_operand()?;
            self.close_call()?;
            return Ok(SetOperand::ListAppend(Box::new(first), Box::new(second)));
        }
        if self.at_function_named("IF_NOT_EXISTS") {
            self.open_call()?;
            let path = self.path()?;
            self.expect(",")?;
            let fallback = self.set_operand()?;
            self.close_call()?;
            return Ok(SetOperand::IfNotExists(path, Box::new(fallback)));
        }
        if self.at_function() {
            return Err(unknown_function(self.peek().text));
        }
        if self.eat("(") {
            self.enter()?;
            let inner = self.set_operand()?;
            self.expect(")")?;
            self.leave();
            return Ok(inner);
        }
        if self.at_name() {
            return self.path().map(SetOperand::Path);
        }
        self.value().map(SetOperand::Value)
    }

    fn open_call(&mut self) -> Parsed<()> {
        self.enter()?;
        self.bump();
        self.expect("(")
    }

    fn close_call(&mut self) -> Parsed<()> {
        self.leave();
        self.expect(")")
    }

    /// Refuses an arithmetic operator where none may stand.
    pub(super) fn refuse_arithmetic(&mut self) -> Parsed<()> {
        for operator in ["+", "-", "*", "/", "%"] {
            if self.at(operator) {
                return Err(ApiError::validation(format!(
                    "Unsupported operator in Condition Expression. Operator: {operator}"
                )));
            }
        }
        Ok(())
    }
}

/// The refusal of a function that does not exist.
pub(super) fn unknown_function(name: &str) -> ApiError {
    ApiError::validation(format!("Invalid function name; function: {name}"))
}
