//! Random expressions against interpreters written for these tests alone.
//!
//! An expression is generated as a tree, written out as text, parsed, and applied; a naive interpreter
//! of the tree must come to the same. The interpreters share no code with what they test: values are
//! compared in a canonical form, and updated lists are maps by their old positions.

mod conditions;
mod garbage;
mod updates;
mod values;

use std::collections::BTreeMap;

use crate::value::AttributeValue;

use self::values::Path;

/// Writes expressions, and collects the placeholders they use.
#[derive(Debug, Default)]
struct Writer {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, AttributeValue>,
}

impl Writer {
    fn value(&mut self, value: &AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value.clone());
        placeholder
    }

    /// Names that are long stand bare, short ones behind a placeholder.
    fn path(&mut self, path: &Path) -> String {
        let mut text = self.name(&path.attribute);
        for step in &path.steps {
            match step {
                values::Step::Member(name) => {
                    text.push('.');
                    text.push_str(&self.name(name));
                }
                values::Step::Element(index) => text.push_str(&format!("[{index}]")),
            }
        }
        text
    }

    fn name(&mut self, name: &str) -> String {
        if name.len() > 1 {
            return name.to_owned();
        }
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn context(&self) -> super::ExpressionContext<'_> {
        super::ExpressionContext::new(Some(&self.names), Some(&self.values))
    }
}
