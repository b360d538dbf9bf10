//! UpdateContinuousBackups and DescribeContinuousBackups.

use serde::Serialize;
use serde::de::MapAccess;

use crate::error::{ApiError, ErrorCode};
use crate::json::read::{Context, Member, Members, read_document};
use crate::operations::constraints::{self, Constraints};
use crate::operations::describe_table::parse_table_name;

/// Days that can be restored to, unless asked otherwise; also the most.
pub const RECOVERY_PERIOD_DAYS_MAX: i64 = 35;

/// An UpdateContinuousBackups request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateContinuousBackupsRequest {
    /// Name or ARN of the table.
    pub table_name: String,
    /// Whether point-in-time recovery shall be on.
    pub enabled: bool,
    /// Days that can be restored to; absent means [`RECOVERY_PERIOD_DAYS_MAX`].
    pub recovery_period_in_days: Option<i64>,
}

/// A DescribeContinuousBackups request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeContinuousBackupsRequest {
    /// Name or ARN of the table.
    pub table_name: String,
}

/// The answer of both.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ContinuousBackupsResponse {
    /// Point-in-time recovery, if it is on.
    pub recovery: Option<PointInTimeRecovery>,
}

/// Point-in-time recovery that is on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointInTimeRecovery {
    /// Days that can be restored to.
    pub period_in_days: i64,
    /// The earliest second that can be restored to, since 1970.
    pub earliest: f64,
    /// The latest.
    pub latest: f64,
}

impl UpdateContinuousBackupsRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<UpdateContinuousBackupsRequest, ApiError> {
        let mut wire = Wire::default();
        read_document(body, &Context::default(), &mut wire)?;
        let table_name = constraints::table_name(wire.table_name, 1)?;
        let mut constraints = Constraints::default();
        let path = "pointInTimeRecoverySpecification";
        constraints.require(path, wire.specification.as_ref());
        let given = wire.specification.unwrap_or_default();
        if given.present {
            constraints.require(
                &format!("{path}.pointInTimeRecoveryEnabled"),
                given.enabled.as_ref(),
            );
            constraints.range(
                &format!("{path}.recoveryPeriodInDays"),
                given.recovery_period_in_days,
                1,
                RECOVERY_PERIOD_DAYS_MAX,
            );
        }
        constraints.finish()?;
        if given.enabled == Some(false) && given.recovery_period_in_days.is_some() {
            return Err(ApiError::validation(
                "Invalid Request: Cannot specify RecoveryPeriodInDays when disabling point-in-time \
                 recovery.",
            ));
        }
        Ok(UpdateContinuousBackupsRequest {
            table_name,
            enabled: given.enabled.unwrap_or_default(),
            recovery_period_in_days: given.recovery_period_in_days,
        })
    }
}

impl DescribeContinuousBackupsRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<DescribeContinuousBackupsRequest, ApiError> {
        parse_table_name(body).map(|table_name| DescribeContinuousBackupsRequest { table_name })
    }
}

/// A backup operation names a table that does not exist.
pub fn backup_table_not_found(table_name: &str) -> ApiError {
    ApiError::new(
        ErrorCode::TableNotFoundException,
        format!("Table not found: {table_name}"),
    )
}

impl ContinuousBackupsResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body {
            continuous_backups_description: Description,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Description {
            continuous_backups_status: &'static str,
            point_in_time_recovery_description: Recovery,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Recovery {
            point_in_time_recovery_status: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            recovery_period_in_days: Option<i64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            earliest_restorable_date_time: Option<f64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            latest_restorable_date_time: Option<f64>,
        }
        let body = Body {
            continuous_backups_description: Description {
                continuous_backups_status: "ENABLED",
                point_in_time_recovery_description: Recovery {
                    point_in_time_recovery_status: match self.recovery {
                        Some(_) => "ENABLED",
                        None => "DISABLED",
                    },
                    recovery_period_in_days: self.recovery.map(|on| on.period_in_days),
                    earliest_restorable_date_time: self.recovery.map(|on| on.earliest),
                    latest_restorable_date_time: self.recovery.map(|on| on.latest),
                },
            },
        };
        // Strings and finite numbers cannot fail to serialize.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

#[derive(Default)]
struct Wire {
    table_name: Option<String>,
    specification: Option<SpecificationWire>,
}

impl Members for Wire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "TableName" => self.table_name = value.text()?,
            "PointInTimeRecoverySpecification" => {
                self.specification =
                    value
                        .new_structure::<SpecificationWire>()?
                        .map(|given| SpecificationWire {
                            present: true,
                            ..given
                        });
            }
            _ => value.ignore()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct SpecificationWire {
    present: bool,
    enabled: Option<bool>,
    recovery_period_in_days: Option<i64>,
}

impl Members for SpecificationWire {
    const CLASS: &'static str = "PointInTimeRecoverySpecification";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "PointInTimeRecoveryEnabled" => self.enabled = value.boolean()?,
            "RecoveryPeriodInDays" => self.recovery_period_in_days = value.integer()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}
