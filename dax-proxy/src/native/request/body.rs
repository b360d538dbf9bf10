//! The JSON body of a request that is being translated.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use stator_model::Item;
use stator_model::expression::{DocumentPath, ExpressionContext, ProjectionExpression};

use super::super::cbor::Read;
use super::super::expression::{Placeholders, print_expression, print_path, read_projection};
use super::Paths;
use crate::wire::{ObjectWriter, item_json};

/// An object with expressions that share their placeholders.
pub(super) struct Body {
    writer: ObjectWriter,
    placeholders: Placeholders,
}

impl Body {
    pub(super) fn new() -> Self {
        Self {
            writer: ObjectWriter::new(),
            placeholders: Placeholders::default(),
        }
    }

    pub(super) fn text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.writer.text_member(name, text);
        }
    }

    pub(super) fn flag(&mut self, name: &str, flag: Option<bool>) {
        if let Some(flag) = flag {
            self.writer
                .member(name, if flag { b"true" } else { b"false" });
        }
    }

    pub(super) fn integer(&mut self, name: &str, value: Option<i128>) {
        if let Some(value) = value {
            self.writer.member(name, value.to_string().as_bytes());
        }
    }

    pub(super) fn item(&mut self, name: &str, item: &Item) {
        self.writer.member(name, &item_json(item));
    }

    pub(super) fn json(&mut self, name: &str, json: &[u8]) {
        self.writer.member(name, json);
    }

    /// A condition, filter, key condition or update.
    pub(super) fn expression(&mut self, name: &str, tree: Option<&[u8]>) -> Read<()> {
        if let Some(tree) = tree {
            let text = print_expression(tree, &mut self.placeholders)?;
            self.writer.text_member(name, &text);
        }
        Ok(())
    }

    /// A projection. Asked for are the top-level attributes of its paths: what is behind an index cannot be told from
    /// an item whose lists have been closed up.
    ///
    /// # Errors
    /// What the store would say about the whole paths.
    pub(super) fn projection(&mut self, tree: Option<&[u8]>) -> Read<Paths> {
        let Some(tree) = tree else { return Ok(None) };
        let paths = read_projection(tree)?;
        check_projection(&paths)?;
        let attributes: BTreeSet<&str> = paths.iter().map(DocumentPath::attribute).collect();
        let attributes: Vec<_> = attributes
            .into_iter()
            .map(|name| {
                print_path(
                    &DocumentPath::new(name.to_owned(), Vec::new()),
                    &mut self.placeholders,
                )
            })
            .collect();
        self.writer
            .text_member("ProjectionExpression", &attributes.join(", "));
        Ok(Some(paths))
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let Self {
            mut writer,
            placeholders,
        } = self;
        let mut names = ObjectWriter::new();
        let mut any = false;
        for (placeholder, name) in placeholders.names() {
            names.text_member(&placeholder, name);
            any = true;
        }
        if any {
            writer.member("ExpressionAttributeNames", &names.finish());
        }
        let values: Item = placeholders
            .values()
            .map(|(placeholder, value)| (placeholder, value.clone()))
            .collect();
        if !values.is_empty() {
            writer.member("ExpressionAttributeValues", &item_json(&values));
        }
        writer.finish()
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.finish().into()
    }
}

fn check_projection(paths: &[DocumentPath]) -> Read<()> {
    let mut placeholders = Placeholders::default();
    let texts: Vec<_> = paths
        .iter()
        .map(|path| print_path(path, &mut placeholders))
        .collect();
    let names: BTreeMap<String, String> = placeholders
        .names()
        .map(|(placeholder, name)| (placeholder, name.to_owned()))
        .collect();
    let context = ExpressionContext::new(Some(&names), None);
    ProjectionExpression::parse(&texts.join(", "), &context)?;
    Ok(context.finish()?)
}

/// A JSON object with one member.
pub(super) fn object(name: &str, json: &[u8]) -> Vec<u8> {
    let mut writer = ObjectWriter::new();
    writer.member(name, json);
    writer.finish()
}
