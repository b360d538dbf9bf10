//! Throughput in its three forms: provisioned, upper limits, warm.

use serde::de::MapAccess;

use crate::error::ApiError;
use crate::json::read::{Member, Members};
use crate::operations::constraints::Constraints;
use crate::table::{OnDemandThroughput, ProvisionedThroughput, WarmThroughput};

/// Above this, throughput is refused as out of bounds.
const THROUGHPUT_BOUND: i64 = 1_000_000_000_000;

/// Provisioned throughput before it is checked.
#[derive(Default)]
pub(crate) struct ThroughputWire {
    read_capacity_units: Option<i64>,
    write_capacity_units: Option<i64>,
}

impl Members for ThroughputWire {
    const CLASS: &'static str = "ProvisionedThroughput";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "ReadCapacityUnits" => self.read_capacity_units = value.long()?,
            "WriteCapacityUnits" => self.write_capacity_units = value.long()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl ThroughputWire {
    /// Gathers the model's constraints; `path` is the member's.
    pub(crate) fn constrain(
        &self,
        path: &str,
        constraints: &mut Constraints,
    ) -> ProvisionedThroughput {
        for (member, value) in [
            ("writeCapacityUnits", self.write_capacity_units),
            ("readCapacityUnits", self.read_capacity_units),
        ] {
            let path = format!("{path}.{member}");
            constraints.require(&path, value.as_ref());
            constraints.range(&path, value, 1, i64::MAX);
        }
        ProvisionedThroughput {
            read_capacity_units: self.read_capacity_units.unwrap_or_default(),
            write_capacity_units: self.write_capacity_units.unwrap_or_default(),
        }
    }
}

/// The bounds of provisioned throughput, of a table or of an index.
pub(crate) fn check_bounds(
    throughput: Option<ProvisionedThroughput>,
    index_name: Option<&str>,
) -> Result<(), ApiError> {
    let Some(throughput) = throughput else {
        return Ok(());
    };
    for (name, value) in [
        ("ReadCapacityUnits", throughput.read_capacity_units),
        ("WriteCapacityUnits", throughput.write_capacity_units),
    ] {
        if value > THROUGHPUT_BOUND {
            let of_index = index_name
                .map(|index_name| format!(" for index {index_name}"))
                .unwrap_or_default();
            return Err(ApiError::validation(format!(
                "Given value {value} for {name} is out of bounds{of_index}"
            )));
        }
    }
    Ok(())
}

/// Upper limits before they are checked.
#[derive(Default)]
pub(crate) struct OnDemandWire {
    max_read_request_units: Option<i64>,
    max_write_request_units: Option<i64>,
}

impl Members for OnDemandWire {
    const CLASS: &'static str = "OnDemandThroughput";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "MaxReadRequestUnits" => self.max_read_request_units = value.long()?,
            "MaxWriteRequestUnits" => self.max_write_request_units = value.long()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl OnDemandWire {
    /// The limits; [`check_limits`] has the rules on them. An empty structure asks for nothing.
    pub(crate) fn given(&self) -> Option<OnDemandThroughput> {
        let limits = OnDemandThroughput {
            max_read_request_units: self.max_read_request_units,
            max_write_request_units: self.max_write_request_units,
        };
        (limits != OnDemandThroughput::default()).then_some(limits)
    }
}

/// The range of upper limits, of a table or of an index. `removable`: -1 is legal and removes one.
pub(crate) fn check_limits(
    limits: Option<OnDemandThroughput>,
    removable: bool,
    index_name: Option<&str>,
) -> Result<(), ApiError> {
    let limits = limits.unwrap_or_default();
    for (member, value) in [
        ("MaxReadRequestUnits", limits.max_read_request_units),
        ("MaxWriteRequestUnits", limits.max_write_request_units),
    ] {
        // 0 would be a table that serves nothing.
        let legal = value.is_none_or(|value| value >= 1 || (removable && value == -1));
        if !legal {
            let whose = match index_name {
                Some(index_name) => format!("index : {index_name}"),
                None => "table".to_owned(),
            };
            return Err(ApiError::invalid_parameter(format!(
                "Requested {member} for OnDemandThroughput for {whose} is outside of valid range"
            )));
        }
    }
    Ok(())
}

/// Warm throughput before it is checked.
#[derive(Default)]
pub(crate) struct WarmWire {
    read_units_per_second: Option<i64>,
    write_units_per_second: Option<i64>,
}

impl Members for WarmWire {
    const CLASS: &'static str = "WarmThroughput";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "ReadUnitsPerSecond" => self.read_units_per_second = value.long()?,
            "WriteUnitsPerSecond" => self.write_units_per_second = value.long()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl WarmWire {
    /// The units, which are measured against what there is: too few for the service are too few
    /// for the model as well.
    pub(crate) fn given(&self) -> WarmThroughput {
        WarmThroughput {
            read_units_per_second: self.read_units_per_second,
            write_units_per_second: self.write_units_per_second,
        }
    }
}
