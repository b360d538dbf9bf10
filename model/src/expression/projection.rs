//! Projection expressions: which parts of an item a read returns.
//!
//! Source: developer guide, "Using projection expressions in DynamoDB".

#[cfg(test)]
mod tests;

use crate::{error::ApiError, key::KeySchema, value::Item};

use super::{
    DocumentPath, ExpressionContext, ExpressionKind,
    compile::{check_reserved, compile_path, parse_all},
    path_tree::PathTree,
    syntax::{Parsed, Parser, RawPath},
};

/// A parsed and checked `ProjectionExpression`.
#[derive(Debug, Clone)]
pub struct ProjectionExpression {
    paths: Vec<DocumentPath>,
    tree: PathTree,
}

impl ProjectionExpression {
    /// Parses and checks the text.
    ///
    /// # Errors
    ///
    /// A ValidationException: size, syntax, reserved words, undefined names, then paths that overlap or
    /// conflict.
    pub fn parse(text: &str, context: &ExpressionContext<'_>) -> Result<Self, ApiError> {
        let kind = ExpressionKind::Projection;
        let raw = parse_all(kind, text, context, paths)?;
        let compile = || -> Result<Self, String> {
            raw.iter().try_for_each(check_reserved)?;
            let paths: Vec<DocumentPath> = raw
                .iter()
                .map(|path| compile_path(path, context))
                .collect::<Result<_, _>>()?;
            let tree = PathTree::new(paths.iter())?;
            Ok(Self { paths, tree })
        };
        compile().map_err(|message| context.error(kind, &message))
    }

    /// The item reduced to what the expression names.
    ///
    /// Key attributes are not added; elements of a list close up in the order of their indexes; what
    /// the item does not have is left out, so that the result may be empty.
    pub fn project(&self, item: &Item) -> Item {
        self.tree.select(item)
    }

    /// The paths in the order of the text.
    pub fn paths(&self) -> &[DocumentPath] {
        &self.paths
    }

    /// The names of all top-level attributes the expression mentions, sorted, each once.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.tree.attributes()
    }

    /// Refuses paths that go inside a key attribute of the table.
    ///
    /// # Errors
    ///
    /// A ValidationException that names the attribute.
    pub fn check_key_attributes_scalar(&self, schema: &KeySchema) -> Result<(), ApiError> {
        let nested = self
            .paths
            .iter()
            .find(|path| path.is_nested() && schema.contains(path.attribute()));
        match nested {
            Some(path) => Err(nested_key_attribute(path.attribute())),
            None => Ok(()),
        }
    }
}

/// The refusal of a path that goes inside a key attribute.
pub(super) fn nested_key_attribute(name: &str) -> ApiError {
    ApiError::validation(format!(
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not \
         allowed: Key: {name}"
    ))
}

fn paths<'t>(parser: &mut Parser<'t>) -> Parsed<Vec<RawPath<'t>>> {
    let mut paths = vec![parser.path()?];
    while parser.eat(b',') {
        paths.push(parser.path()?);
    }
    Ok(paths)
}
