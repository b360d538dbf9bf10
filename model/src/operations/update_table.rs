//! UpdateTable: changes a table's settings.

use serde::Serialize;

use crate::error::{ApiError, ErrorCode};
use crate::json::read::{Context, read_document};
use crate::limits;
use crate::operations::constraints::{self, Constraints};
use crate::operations::control_wire::{
    ControlWire, IndexShape, IndexUpdateShape, check_bounds, check_limits, constrain_definitions,
    definitions,
};
use crate::operations::create_table::CreateTableResponse;
use crate::operations::index_rules::new_global_index;
use crate::table::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndexUpdate, IndexCapacityUpdate, IndexName,
    OnDemandThroughput, ProvisionedThroughput, SseSpecification, StreamSpecification, TableClass,
    WarmThroughput,
};
use crate::wording;

mod apply;
mod concerns;

/// An UpdateTable request; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpdateTableRequest {
    /// Name or ARN of the table.
    pub table_name: String,
    /// Types of key attributes, for an index to make; `None` if the member is absent.
    pub attribute_definitions: Option<Vec<AttributeDefinition>>,
    /// How capacity is paid for.
    pub billing_mode: Option<BillingMode>,
    /// The provisioned units.
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// Upper limits; -1 removes one.
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What the table shall serve at once.
    pub warm_throughput: Option<WarmThroughput>,
    /// Changes of global indexes, in order; at most one makes or removes one.
    pub global_secondary_index_updates: Vec<GlobalSecondaryIndexUpdate>,
    /// The stream on or off.
    pub stream_specification: Option<StreamSpecification>,
    /// Encryption under a key of KMS, or not.
    pub sse_specification: Option<SseSpecification>,
    /// The storage class.
    pub table_class: Option<TableClass>,
    /// Whether DeleteTable is refused.
    pub deletion_protection_enabled: Option<bool>,
}

/// An UpdateTable answer.
pub type UpdateTableResponse = CreateTableResponse;

impl UpdateTableRequest {
    /// Reads a request and makes the checks that need no table.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words, or a refusal of what
    /// this version does not do.
    pub fn parse(body: &[u8]) -> Result<UpdateTableRequest, ApiError> {
        let mut wire = ControlWire::default();
        read_document(body, &Context::default(), &mut wire)?;
        let table_name =
            constraints::table_name(wire.table_name.take(), limits::TABLE_NAME_LENGTH_MIN)?;
        let mut constraints = Constraints::default();
        let given = wire.attribute_definitions.as_deref();
        constrain_definitions(given.unwrap_or_default(), &mut constraints);
        let common = wire.common(&mut constraints);
        let updates: Vec<IndexUpdateShape> = wire
            .global_secondary_index_updates
            .iter()
            .flatten()
            .enumerate()
            .map(|(at, update)| update.constrain(at + 1, &mut constraints))
            .collect();
        constraints.finish()?;
        let mut request = UpdateTableRequest {
            table_name,
            attribute_definitions: given.map(definitions),
            billing_mode: common.billing_mode,
            provisioned_throughput: common.provisioned_throughput,
            on_demand_throughput: common.on_demand_throughput,
            warm_throughput: common.warm_throughput,
            global_secondary_index_updates: Vec::new(),
            stream_specification: common.stream_specification,
            sse_specification: common.sse_specification,
            table_class: wire.table_class()?,
            deletion_protection_enabled: wire.deletion_protection_enabled,
        };
        if updates.is_empty() && request.changes_nothing() && wire.not_supported.is_empty() {
            return Err(ApiError::validation(
                wording::UPDATE_TABLE_OF_NOTHING.fill(&[]),
            ));
        }
        if !request.changes_nothing() && given_but_empty(&wire) {
            return Err(ApiError::invalid_parameter(
                "List of GlobalSecondaryIndexUpdates is empty",
            ));
        }
        for update in updates.iter().filter_map(|update| update.update.as_ref()) {
            check_warm_given(update)?;
        }
        concerns::check(&request, &updates)?;
        request.check_billing()?;
        check_bounds(request.provisioned_throughput, None)?;
        check_limits(request.on_demand_throughput, true, None)?;
        wire.check_sse()?;
        request.global_secondary_index_updates = index_updates(updates)?;
        check_stream_update(request.stream_specification)?;
        wire.check_supported()?;
        Ok(request)
    }

    /// Whether the request names no setting.
    fn changes_nothing(&self) -> bool {
        *self
            == UpdateTableRequest {
                table_name: self.table_name.clone(),
                attribute_definitions: self.attribute_definitions.clone(),
                ..UpdateTableRequest::default()
            }
    }

    fn check_billing(&self) -> Result<(), ApiError> {
        match (self.billing_mode, self.provisioned_throughput) {
            (Some(BillingMode::PayPerRequest), Some(_)) => Err(units_of_an_on_demand_table()),
            (Some(BillingMode::Provisioned), None) => Err(ApiError::invalid_parameter(
                "ProvisionedThroughput must be specified when BillingMode is PROVISIONED",
            )),
            _ => Ok(()),
        }
    }

    /// The request as a client sends it.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            table_name: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            attribute_definitions: Option<&'a [AttributeDefinition]>,
            #[serde(skip_serializing_if = "Option::is_none")]
            billing_mode: Option<BillingMode>,
            #[serde(skip_serializing_if = "Option::is_none")]
            provisioned_throughput: Option<ProvisionedThroughput>,
            #[serde(skip_serializing_if = "Option::is_none")]
            on_demand_throughput: Option<OnDemandThroughput>,
            #[serde(skip_serializing_if = "Option::is_none")]
            warm_throughput: Option<WarmThroughput>,
            #[serde(skip_serializing_if = "<[GlobalSecondaryIndexUpdate]>::is_empty")]
            global_secondary_index_updates: &'a [GlobalSecondaryIndexUpdate],
            #[serde(skip_serializing_if = "Option::is_none")]
            stream_specification: Option<StreamSpecification>,
            #[serde(rename = "SSESpecification", skip_serializing_if = "Option::is_none")]
            sse_specification: Option<&'a SseSpecification>,
            #[serde(skip_serializing_if = "Option::is_none")]
            table_class: Option<TableClass>,
            #[serde(skip_serializing_if = "Option::is_none")]
            deletion_protection_enabled: Option<bool>,
        }
        let body = Body {
            table_name: &self.table_name,
            attribute_definitions: self.attribute_definitions.as_deref(),
            billing_mode: self.billing_mode,
            provisioned_throughput: self.provisioned_throughput,
            on_demand_throughput: self.on_demand_throughput,
            warm_throughput: self.warm_throughput,
            global_secondary_index_updates: &self.global_secondary_index_updates,
            stream_specification: self.stream_specification,
            sse_specification: self.sse_specification.as_ref(),
            table_class: self.table_class,
            deletion_protection_enabled: self.deletion_protection_enabled,
        };
        // Strings, numbers and flags cannot fail to serialize.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

/// Warm throughput of an index that is to change says to what.
fn check_warm_given(update: &IndexShape) -> Result<(), ApiError> {
    if update.warm_throughput == Some(WarmThroughput::default()) {
        return Err(ApiError::invalid_parameter(format!(
            "WarmThroughput must have at least one of ReadUnitsPerSecond or WriteUnitsPerSecond \
             specified for index: {}",
            update.index_name
        )));
    }
    Ok(())
}

fn given_but_empty(wire: &ControlWire) -> bool {
    let updates = wire.global_secondary_index_updates.as_deref();
    updates.is_some_and(<[_]>::is_empty)
}

/// A stream that is turned on says what it records, and one that is turned off does not.
fn check_stream_update(specification: Option<StreamSpecification>) -> Result<(), ApiError> {
    let Some(specification) = specification else {
        return Ok(());
    };
    match (
        specification.stream_enabled,
        specification.stream_view_type.is_some(),
    ) {
        (true, false) => Err(ApiError::invalid_parameter(
            "If stream is being enabled then UpdateViewType is required",
        )),
        (false, true) => Err(ApiError::invalid_parameter(
            "If stream is being disabled, then UpdateViewType must not be specified",
        )),
        _ => Ok(()),
    }
}

/// The changes of indexes, each checked for itself.
fn index_updates(
    shapes: Vec<IndexUpdateShape>,
) -> Result<Vec<GlobalSecondaryIndexUpdate>, ApiError> {
    let updates: Vec<GlobalSecondaryIndexUpdate> = shapes
        .into_iter()
        .map(index_update)
        .collect::<Result<_, _>>()?;
    for (at, update) in updates.iter().enumerate() {
        let name = update.index_name();
        if updates
            .iter()
            .take(at)
            .any(|other| other.index_name() == name)
        {
            return Err(ApiError::invalid_parameter(format!(
                "Only one global secondary index update per index is allowed simultaneously. Index: \
                 {name}"
            )));
        }
    }
    let online = updates
        .iter()
        .filter(|update| !matches!(update, GlobalSecondaryIndexUpdate::Update(_)));
    if online.count() > 1 {
        return Err(one_online_index_at_a_time());
    }
    Ok(updates)
}

fn index_update(shape: IndexUpdateShape) -> Result<GlobalSecondaryIndexUpdate, ApiError> {
    match (shape.create, shape.update, shape.delete) {
        (Some(create), None, None) => {
            new_global_index(create).map(GlobalSecondaryIndexUpdate::Create)
        }
        (None, Some(update), None) => {
            check_bounds(update.provisioned_throughput, Some(&update.index_name))?;
            check_limits(update.on_demand_throughput, true, Some(&update.index_name))?;
            Ok(GlobalSecondaryIndexUpdate::Update(IndexCapacityUpdate {
                index_name: update.index_name,
                provisioned_throughput: update.provisioned_throughput,
                on_demand_throughput: update.on_demand_throughput,
                warm_throughput: update.warm_throughput,
            }))
        }
        (None, None, Some(index_name)) => {
            Ok(GlobalSecondaryIndexUpdate::Delete(IndexName { index_name }))
        }
        (None, None, None) => Err(ApiError::invalid_parameter(
            "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, \
             GlobalSecondaryIndexUpdate.Delete must not be null",
        )),
        _ => Err(ApiError::invalid_parameter(
            "Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object",
        )),
    }
}

/// An index is being made or removed already.
pub fn one_online_index_at_a_time() -> ApiError {
    ApiError::new(
        ErrorCode::LimitExceededException,
        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously \
         per table",
    )
}

/// Provisioned units for an on-demand table.
fn units_of_an_on_demand_table() -> ApiError {
    ApiError::invalid_parameter(
        "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is \
         PAY_PER_REQUEST",
    )
}
