//! UpdateTable: changes a table's settings.

use serde::Serialize;

use crate::error::ApiError;
use crate::json::read::{Context, read_document};
use crate::limits;
use crate::operations::constraints::{self, Constraints};
use crate::operations::control_wire::ControlWire;
use crate::operations::create_table::{CreateTableResponse, on_demand_needs_pay_per_request};
use crate::table::{
    BillingMode, OnDemandThroughput, ProvisionedThroughput, TableClass, TableSettings,
    table_name_of,
};

/// An UpdateTable request; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpdateTableRequest {
    /// Name or ARN of the table.
    pub table_name: String,
    /// How capacity is paid for.
    pub billing_mode: Option<BillingMode>,
    /// The provisioned units.
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// Upper limits; -1 removes one.
    pub on_demand_throughput: Option<OnDemandThroughput>,
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
        for (at, definition) in wire.attribute_definitions.iter().flatten().enumerate() {
            definition.constrain(at + 1, &mut constraints);
        }
        let common = wire.common(&mut constraints, -1);
        constraints.finish()?;
        let request = UpdateTableRequest {
            table_name,
            billing_mode: common.billing_mode,
            provisioned_throughput: common.provisioned_throughput,
            on_demand_throughput: common.on_demand_throughput,
            table_class: common.table_class,
            deletion_protection_enabled: wire.deletion_protection_enabled,
        };
        let changes_nothing = UpdateTableRequest {
            table_name: request.table_name.clone(),
            ..UpdateTableRequest::default()
        } == request;
        if changes_nothing
            && wire.not_supported.is_empty()
            && wire.stream_specification.is_none()
            && wire.sse_specification.is_none()
        {
            return Err(ApiError::validation(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, \
                 GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required",
            ));
        }
        match (request.billing_mode, request.provisioned_throughput) {
            (Some(BillingMode::PayPerRequest), Some(_)) => {
                return Err(ApiError::invalid_parameter(
                    "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when \
                     BillingMode is PAY_PER_REQUEST",
                ));
            }
            (Some(BillingMode::Provisioned), None) => {
                return Err(ApiError::invalid_parameter(
                    "ProvisionedThroughput must be specified when BillingMode is PROVISIONED",
                ));
            }
            _ => {}
        }
        common.check_bounds()?;
        wire.check_supported()?;
        if wire
            .stream_specification
            .is_some_and(|stream| stream.enabled == Some(false))
        {
            return Err(ApiError::validation(format!(
                "Table has no stream to disable: TableName: {}",
                table_name_of(&request.table_name)
            )));
        }
        Ok(request)
    }

    /// The settings after the change.
    ///
    /// # Errors
    /// A ValidationException when the change does not fit the table as it is.
    pub fn apply(&self, current: &TableSettings) -> Result<TableSettings, ApiError> {
        let mut settings = current.clone();
        let billing_mode = self.billing_mode.unwrap_or(current.billing_mode);
        if let Some(requested) = self.provisioned_throughput {
            if billing_mode == BillingMode::PayPerRequest {
                return Err(ApiError::invalid_parameter(
                    "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when \
                     BillingMode is PAY_PER_REQUEST",
                ));
            }
            let same_mode = billing_mode == current.billing_mode;
            if same_mode && current.provisioned_throughput == Some(requested) {
                return Err(throughput_does_not_change(requested));
            }
            settings.provisioned_throughput = Some(requested);
        }
        settings.billing_mode = billing_mode;
        match billing_mode {
            BillingMode::PayPerRequest => settings.provisioned_throughput = None,
            BillingMode::Provisioned => settings.on_demand_throughput = None,
        }
        if let Some(requested) = self.on_demand_throughput {
            if billing_mode == BillingMode::Provisioned {
                return Err(on_demand_needs_pay_per_request());
            }
            settings.on_demand_throughput =
                merge_limits(settings.on_demand_throughput.unwrap_or_default(), requested);
        }
        settings.table_class = self.table_class.unwrap_or(current.table_class);
        settings.deletion_protection_enabled = self
            .deletion_protection_enabled
            .unwrap_or(current.deletion_protection_enabled);
        Ok(settings)
    }

    /// The request as a client sends it.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            table_name: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            billing_mode: Option<BillingMode>,
            #[serde(skip_serializing_if = "Option::is_none")]
            provisioned_throughput: Option<ProvisionedThroughput>,
            #[serde(skip_serializing_if = "Option::is_none")]
            on_demand_throughput: Option<OnDemandThroughput>,
            #[serde(skip_serializing_if = "Option::is_none")]
            table_class: Option<TableClass>,
            #[serde(skip_serializing_if = "Option::is_none")]
            deletion_protection_enabled: Option<bool>,
        }
        let body = Body {
            table_name: &self.table_name,
            billing_mode: self.billing_mode,
            provisioned_throughput: self.provisioned_throughput,
            on_demand_throughput: self.on_demand_throughput,
            table_class: self.table_class,
            deletion_protection_enabled: self.deletion_protection_enabled,
        };
        // Strings, numbers and flags cannot fail to serialize.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

/// New upper limits over old ones; -1 removes one, and none left is no limit at all.
fn merge_limits(
    current: OnDemandThroughput,
    requested: OnDemandThroughput,
) -> Option<OnDemandThroughput> {
    let merge = |current: Option<i64>, requested: Option<i64>| match requested {
        None => current,
        Some(-1) => None,
        Some(limit) => Some(limit),
    };
    let merged = OnDemandThroughput {
        max_read_request_units: merge(
            current.max_read_request_units,
            requested.max_read_request_units,
        ),
        max_write_request_units: merge(
            current.max_write_request_units,
            requested.max_write_request_units,
        ),
    };
    (merged != OnDemandThroughput::default()).then_some(merged)
}

fn throughput_does_not_change(requested: ProvisionedThroughput) -> ApiError {
    let ProvisionedThroughput {
        read_capacity_units: read,
        write_capacity_units: write,
    } = requested;
    ApiError::validation(format!(
        "The provisioned throughput for the table will not change. The requested value equals the \
         current value. Current ReadCapacityUnits provisioned for the table: {read}. Requested \
         ReadCapacityUnits: {read}. Current WriteCapacityUnits provisioned for the table: {write}. \
         Requested WriteCapacityUnits: {write}. Refer to the Amazon DynamoDB Developer Guide for \
         current limits and how to request higher limits."
    ))
}
