//! PartiQL: reads are passed, writes are passed and what is held of their tables is dropped.
//!
//! A statement is read here only to learn which tables it writes. What cannot be read is passed too, for
//! the store to say what is wrong with it, and everything that is held is dropped.

use std::collections::BTreeSet;
use std::sync::Arc;

use stator_kit::access::authorize;
use stator_model::operations::{
    BatchExecuteStatementRequest, ExecuteStatementRequest, ExecuteTransactionRequest,
};
use stator_model::partiql::Statement;
use stator_model::{ApiError, AttributeValue, ErrorCode};
use tokio::time::Instant;

use super::{Call, Proxy, TableArn};
use crate::answer::{Answer, CacheOutcome};
use crate::cluster::Change;

/// What statements may write.
enum Written {
    Nothing,
    Tables(BTreeSet<String>),
    /// At least one statement could not be read.
    Unknown,
}

impl Proxy {
    /// Sends statements. Writes run to their end in a task of their own, and what is held of their tables
    /// is dropped before they are sent and before the client is answered.
    pub(super) async fn statements(self: &Arc<Self>, call: &Call) -> Result<Answer, Answer> {
        let statements = statements(call)?;
        for statement in statements.iter().flatten() {
            let resource = TableArn {
                prefix: &self.table_arn_prefix,
                name: statement.table(),
            };
            authorize(&call.principal, statement.action(), &resource).map_err(|denied| {
                ApiError::new(ErrorCode::AccessDeniedException, denied.to_string())
            })?;
        }
        let written = written(&statements);
        if matches!(written, Written::Nothing) {
            return Ok(self.pass(call).await);
        }
        if let Written::Tables(names) = &written {
            for name in names {
                // A table may be known under another spelling only: by this one it can be dropped.
                drop(self.tables.get(name, Instant::now()).await);
            }
        }
        let mut dropped = self.changes_of(&written);
        self.drop_written(&written);
        let (proxy, target, operation, body) = (
            Arc::clone(self),
            call.target_prefix,
            call.operation,
            call.body.clone(),
        );
        let done = self.tasks.spawn_with_result("statements", async move {
            let answered = proxy.upstream.call_target(target, operation, body).await;
            // A table may have become known again meanwhile.
            dropped.extend(proxy.changes_of(&written));
            let tenure = proxy.tenure();
            proxy.drop_written(&written);
            let answer = match answered {
                Ok(answered) => Answer::passed(answered, CacheOutcome::Bypass),
                Err(error) => error.into(),
            };
            proxy.settled(tenure, &dropped, answer).await
        });
        done.await
            .map_err(|_| ApiError::internal("The request was given up.").into())
    }

    fn changes_of(&self, written: &Written) -> Vec<Change> {
        match written {
            Written::Nothing => Vec::new(),
            Written::Tables(names) => {
                let names: Vec<String> = names.iter().cloned().collect();
                self.changes_of_tables(&names)
            }
            Written::Unknown => self.changes_of_tables(&[]),
        }
    }

    fn drop_written(&self, written: &Written) {
        match written {
            Written::Nothing => {}
            Written::Tables(names) => names.iter().for_each(|name| self.tables.forget(name)),
            Written::Unknown => self.tables.forget_all(),
        }
    }
}

/// The statements of the request; `None` for each that cannot be read.
fn statements(call: &Call) -> Result<Vec<Option<Statement>>, ApiError> {
    let parse = |text: &str, parameters: &[AttributeValue]| Statement::parse(text, parameters).ok();
    Ok(match call.operation {
        "ExecuteStatement" => {
            let request = ExecuteStatementRequest::parse(&call.body)?;
            vec![parse(&request.statement, &request.parameters)]
        }
        "BatchExecuteStatement" => BatchExecuteStatementRequest::parse(&call.body)?
            .statements
            .iter()
            .map(|one| parse(&one.statement, &one.parameters))
            .collect(),
        _ => ExecuteTransactionRequest::parse(&call.body)?
            .transact_statements
            .iter()
            .map(|one| parse(&one.statement, &one.parameters))
            .collect(),
    })
}

fn written(statements: &[Option<Statement>]) -> Written {
    let mut names = BTreeSet::new();
    for statement in statements {
        match statement {
            None => return Written::Unknown,
            Some(Statement::Select(_) | Statement::Exists(_)) => {}
            Some(write) => {
                names.insert(write.table().to_owned());
            }
        }
    }
    if names.is_empty() {
        Written::Nothing
    } else {
        Written::Tables(names)
    }
}
