//! `AttributeUpdates` as an update expression.

use super::{AttributeUpdates, AttributeValueUpdate, Rewriter};
use crate::error::ApiError;
use crate::operations::messages;
use crate::operations::parameters::AttributeAction;
use crate::value::AttributeValue;

/// The sections of an update expression with their actions.
#[derive(Default)]
struct Sections {
    set: Vec<String>,
    remove: Vec<String>,
    add: Vec<String>,
    delete: Vec<String>,
}

/// The update expression; `None` when there is nothing to update.
pub(super) fn write(
    rewriter: &mut Rewriter,
    updates: AttributeUpdates,
) -> Result<Option<String>, ApiError> {
    let mut sections = Sections::default();
    for (attribute, AttributeValueUpdate { value, action }) in updates {
        check(action, value.as_ref())?;
        let name = rewriter.name(&attribute);
        match (action, value) {
            (AttributeAction::Delete, None) => sections.remove.push(name),
            (action, Some(value)) => {
                let value = rewriter.value(value);
                match action {
                    AttributeAction::Put => sections.set.push(format!("{name} = {value}")),
                    AttributeAction::Add => sections.add.push(format!("{name} {value}")),
                    AttributeAction::Delete => sections.delete.push(format!("{name} {value}")),
                }
            }
            // Refused by the check.
            (AttributeAction::Put | AttributeAction::Add, None) => {}
        }
    }
    let Sections {
        set,
        remove,
        add,
        delete,
    } = sections;
    let texts: Vec<String> = [
        ("SET", set),
        ("REMOVE", remove),
        ("ADD", add),
        ("DELETE", delete),
    ]
    .into_iter()
    .filter(|(_, actions)| !actions.is_empty())
    .map(|(keyword, actions)| format!("{keyword} {}", actions.join(", ")))
    .collect();
    Ok((!texts.is_empty()).then(|| texts.join(" ")))
}

fn check(action: AttributeAction, value: Option<&AttributeValue>) -> Result<(), ApiError> {
    let is_set = |value: &AttributeValue| {
        matches!(
            value,
            AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_)
        )
    };
    match (action, value) {
        (AttributeAction::Delete, None) | (AttributeAction::Put, Some(_)) => Ok(()),
        (_, None) => Err(ApiError::invalid_parameter(messages::UPDATE_WITHOUT_VALUE)),
        (AttributeAction::Delete, Some(value)) if !is_set(value) => {
            Err(ApiError::invalid_parameter(format_args!(
                "DELETE action with value is not supported for the type {}",
                value.type_name()
            )))
        }
        (AttributeAction::Add, Some(value))
            if !is_set(value) && !matches!(value, AttributeValue::N(_) | AttributeValue::L(_)) =>
        {
            Err(ApiError::invalid_parameter(format_args!(
                "ADD action is not supported for the type {}",
                value.type_name()
            )))
        }
        _ => Ok(()),
    }
}
