//! What an UpdateTable request makes of a table's settings.

use super::{UpdateTableRequest, units_of_an_on_demand_table};
use crate::error::{ApiError, ErrorCode};
use crate::limits;
use crate::operations::index_rules::{
    check_indexes_together, global_index, on_demand_needs_pay_per_request,
};
use crate::operations::warm_rules::Owner;
use crate::table::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate,
    IndexCapacityUpdate, NewGlobalSecondaryIndex, OnDemandThroughput, ProvisionedThroughput,
    TableSettings, WarmThroughput,
};

impl UpdateTableRequest {
    /// The settings after the change. An index that the request makes comes last; one that it
    /// removes is gone.
    ///
    /// # Errors
    /// A ValidationException when the change does not fit the table as it is, or a
    /// ResourceNotFoundException for an unknown index.
    pub fn apply(&self, current: &TableSettings) -> Result<TableSettings, ApiError> {
        let mut settings = current.clone();
        self.apply_capacity(current, &mut settings)?;
        self.apply_stream(&mut settings)?;
        if let Some(sse) = &self.sse_specification {
            if !sse.enabled && current.sse_specification.is_none() {
                return Err(ApiError::invalid_parameter(
                    "Table is already encrypted by default",
                ));
            }
            settings.sse_specification = sse.enabled.then(|| sse.clone());
        }
        settings.table_class = self.table_class.unwrap_or(current.table_class);
        settings.deletion_protection_enabled = self
            .deletion_protection_enabled
            .unwrap_or(current.deletion_protection_enabled);
        for update in &self.global_secondary_index_updates {
            match update {
                GlobalSecondaryIndexUpdate::Create(new) => self.create_index(new, &mut settings)?,
                GlobalSecondaryIndexUpdate::Update(update) => {
                    update_index(update, current, &mut settings)?;
                }
                GlobalSecondaryIndexUpdate::Delete(name) => {
                    let at = position(&settings, &name.index_name, "delete")?;
                    settings.global_secondary_indexes.remove(at);
                }
            }
        }
        if settings.billing_mode != current.billing_mode {
            for index in &settings.global_secondary_indexes {
                check_index_billing(settings.billing_mode, index)?;
            }
        }
        check_indexes_together(&settings)?;
        keep_used_definitions(&mut settings);
        Ok(settings)
    }

    fn apply_capacity(
        &self,
        current: &TableSettings,
        settings: &mut TableSettings,
    ) -> Result<(), ApiError> {
        let billing_mode = self.billing_mode.unwrap_or(current.billing_mode);
        if let Some(requested) = self.provisioned_throughput {
            if billing_mode == BillingMode::PayPerRequest {
                return Err(units_of_an_on_demand_table());
            }
            let same_mode = billing_mode == current.billing_mode;
            // Together with another change, units that stay the same are no change that is missing.
            let alone = self.global_secondary_index_updates.is_empty();
            if same_mode && alone && current.provisioned_throughput == Some(requested) {
                return Err(throughput_does_not_change("table", "table", requested));
            }
            settings.provisioned_throughput = Some(requested);
        }
        settings.billing_mode = billing_mode;
        match billing_mode {
            BillingMode::PayPerRequest => {
                settings.provisioned_throughput = None;
                for index in &mut settings.global_secondary_indexes {
                    index.provisioned_throughput = None;
                }
            }
            BillingMode::Provisioned => {
                settings.on_demand_throughput = None;
                for index in &mut settings.global_secondary_indexes {
                    index.on_demand_throughput = None;
                }
            }
        }
        if let Some(requested) = self.on_demand_throughput {
            if billing_mode == BillingMode::Provisioned {
                return Err(on_demand_needs_pay_per_request(requested, None));
            }
            settings.on_demand_throughput = merge_limits(settings.on_demand_throughput, requested);
        }
        if let Some(requested) = self.warm_throughput {
            let owner = Owner {
                index_name: None,
                billing_mode: current.billing_mode,
                provisioned: current.provisioned_throughput,
            };
            owner.check_raised(current.warm_throughput, requested)?;
            settings.warm_throughput = Some(merge_warm(settings.warm_throughput, requested));
        }
        Ok(())
    }

    fn apply_stream(&self, settings: &mut TableSettings) -> Result<(), ApiError> {
        let Some(specification) = self.stream_specification else {
            return Ok(());
        };
        let name = &settings.table_name;
        match (specification.stream_enabled, settings.stream_view_type) {
            (true, Some(_)) => Err(ApiError::validation(format!(
                "Table already has an enabled stream: TableName: {name}"
            ))),
            (false, None) => Err(ApiError::validation(format!(
                "Table has no stream to disable: TableName: {name}"
            ))),
            (true, None) => {
                settings.stream_view_type = specification.stream_view_type;
                Ok(())
            }
            (false, Some(_)) => {
                settings.stream_view_type = None;
                Ok(())
            }
        }
    }

    /// Adds an index. Definitions of attributes that are defined already change nothing, whatever
    /// type they name; without any the request is refused even where the types are known.
    fn create_index(
        &self,
        new: &NewGlobalSecondaryIndex,
        settings: &mut TableSettings,
    ) -> Result<(), ApiError> {
        let exists = settings
            .global_secondary_indexes
            .iter()
            .map(|index| &index.index_name)
            .chain(
                settings
                    .local_secondary_indexes
                    .iter()
                    .map(|index| &index.index_name),
            )
            .any(|name| *name == new.index_name);
        if exists {
            return Err(ApiError::validation(
                "Attempting to create an index which already exists",
            ));
        }
        if settings.global_secondary_indexes.len() >= limits::GLOBAL_INDEXES_MAX {
            return Err(ApiError::new(
                ErrorCode::LimitExceededException,
                format!(
                    "Subscriber limit exceeded: Number of global secondary indexes exceeds per-table limit of {}",
                    limits::GLOBAL_INDEXES_MAX
                ),
            ));
        }
        let name = &new.index_name;
        let added = self.attribute_definitions.as_deref().ok_or_else(|| {
            ApiError::invalid_parameter(format!(
                "AttributeDefinitions is not specified for index: {name}"
            ))
        })?;
        let known = merge_definitions(&settings.attribute_definitions, added);
        let index = global_index(new, &known)?;
        check_index_billing(settings.billing_mode, &index)?;
        let owner = Owner {
            index_name: Some(name),
            billing_mode: settings.billing_mode,
            provisioned: index.provisioned_throughput,
        };
        owner.check_new(index.warm_throughput)?;
        settings.attribute_definitions = known;
        settings.global_secondary_indexes.push(index);
        Ok(())
    }
}

fn update_index(
    update: &IndexCapacityUpdate,
    current: &TableSettings,
    settings: &mut TableSettings,
) -> Result<(), ApiError> {
    let at = position(settings, &update.index_name, "update")?;
    let billing_mode = settings.billing_mode;
    let same_mode = billing_mode == current.billing_mode;
    let Some(index) = settings.global_secondary_indexes.get_mut(at) else {
        return Ok(());
    };
    let name = &update.index_name;
    let served = Owner {
        index_name: Some(name),
        billing_mode: current.billing_mode,
        provisioned: index.provisioned_throughput,
    };
    let nothing = update.on_demand_throughput.is_none() && update.warm_throughput.is_none();
    match (billing_mode, update.provisioned_throughput) {
        (BillingMode::PayPerRequest, None) if !nothing => {}
        (BillingMode::PayPerRequest, _) => {
            return Err(ApiError::invalid_parameter(format!(
                "The only Updates for index: {name} when TableThroughputMode is PAY_PER_REQUEST can \
                 be to OnDemandThroughput, WarmThroughput"
            )));
        }
        (BillingMode::Provisioned, None) if nothing => {
            return Err(ApiError::invalid_parameter(format!(
                "Both ReadCapacityUnits and WriteCapacityUnits must be specified for index: {name}"
            )));
        }
        (BillingMode::Provisioned, _) => {}
    }
    if let Some(requested) = update.provisioned_throughput {
        if same_mode && index.provisioned_throughput == Some(requested) {
            return Err(throughput_does_not_change(
                &format!("index {name}"),
                "index",
                requested,
            ));
        }
        index.provisioned_throughput = Some(requested);
    }
    if let Some(requested) = update.on_demand_throughput {
        if billing_mode == BillingMode::Provisioned {
            return Err(on_demand_needs_pay_per_request(requested, Some(name)));
        }
        index.on_demand_throughput = merge_limits(index.on_demand_throughput, requested);
    }
    if let Some(requested) = update.warm_throughput {
        served.check_raised(index.warm_throughput, requested)?;
        index.warm_throughput = Some(merge_warm(index.warm_throughput, requested));
    }
    Ok(())
}

/// Where the global index is that is to be changed; `verb` says how.
fn position(settings: &TableSettings, index_name: &str, verb: &str) -> Result<usize, ApiError> {
    let position = settings
        .global_secondary_indexes
        .iter()
        .position(|index| index.index_name == index_name);
    let is_local = settings
        .local_secondary_indexes
        .iter()
        .any(|index| index.index_name == index_name);
    match position {
        Some(at) => Ok(at),
        None if is_local => Err(ApiError::validation(format!(
            "Cannot {verb} an index that is not a GlobalSecondaryIndex: {index_name}"
        ))),
        None => Err(ApiError::new(
            ErrorCode::ResourceNotFoundException,
            format!(
                "Requested resource not found: Index {index_name} for table {}",
                settings.table_name
            ),
        )),
    }
}

/// The definitions of the table with those that are new.
fn merge_definitions(
    current: &[AttributeDefinition],
    added: &[AttributeDefinition],
) -> Vec<AttributeDefinition> {
    let mut merged = current.to_vec();
    for definition in added {
        let known = merged
            .iter()
            .any(|other| other.attribute_name == definition.attribute_name);
        if !known {
            merged.push(definition.clone());
        }
    }
    merged
}

/// Drops the definitions that no key uses any more.
fn keep_used_definitions(settings: &mut TableSettings) {
    let used: Vec<String> = settings.key_attribute_names().map(str::to_owned).collect();
    settings
        .attribute_definitions
        .retain(|definition| used.contains(&definition.attribute_name));
}

/// The billing mode against the capacity of an index.
fn check_index_billing(
    billing_mode: BillingMode,
    index: &GlobalSecondaryIndex,
) -> Result<(), ApiError> {
    let name = &index.index_name;
    match (
        billing_mode,
        index.provisioned_throughput,
        index.on_demand_throughput,
    ) {
        (BillingMode::PayPerRequest, Some(_), _) => Err(ApiError::invalid_parameter(format!(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: {name} \
             when BillingMode is PAY_PER_REQUEST"
        ))),
        (BillingMode::Provisioned, None, _) => Err(ApiError::invalid_parameter(format!(
            "ProvisionedThroughput must be specified for index: {name}"
        ))),
        (BillingMode::Provisioned, _, Some(limits)) => {
            Err(on_demand_needs_pay_per_request(limits, Some(name)))
        }
        _ => Ok(()),
    }
}

/// New upper limits over old ones; -1 removes one, and none left is no limit at all.
fn merge_limits(
    current: Option<OnDemandThroughput>,
    requested: OnDemandThroughput,
) -> Option<OnDemandThroughput> {
    let current = current.unwrap_or_default();
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

fn merge_warm(current: Option<WarmThroughput>, requested: WarmThroughput) -> WarmThroughput {
    let current = current.unwrap_or_default();
    WarmThroughput {
        read_units_per_second: requested
            .read_units_per_second
            .or(current.read_units_per_second),
        write_units_per_second: requested
            .write_units_per_second
            .or(current.write_units_per_second),
    }
}

/// `whose` is "table" or "index i", `kind` only the first word.
fn throughput_does_not_change(
    whose: &str,
    kind: &str,
    requested: ProvisionedThroughput,
) -> ApiError {
    let ProvisionedThroughput {
        read_capacity_units: read,
        write_capacity_units: write,
    } = requested;
    ApiError::validation(format!(
        "The provisioned throughput for the {whose} will not change. The requested value equals \
         the current value. Current ReadCapacityUnits provisioned for the {kind}: {read}. Requested \
         ReadCapacityUnits: {read}. Current WriteCapacityUnits provisioned for the {kind}: {write}. \
         Requested WriteCapacityUnits: {write}. Refer to the Amazon DynamoDB Developer Guide for \
         current limits and how to request higher limits."
    ))
}
