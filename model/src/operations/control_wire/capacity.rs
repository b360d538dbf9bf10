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
    /// Gathers the model's constraints; `min` is the least legal limit.
    pub(crate) fn constrain(
        &self,
        path: &str,
        min: i64,
        constraints: &mut Constraints,
    ) -> OnDemandThroughput {
        for (member, value) in [
            ("maxReadRequestUnits", self.max_read_request_units),
            ("maxWriteRequestUnits", self.max_write_request_units),
        ] {
            // -1 removes a limit where there may be one; 0 would be a table that serves nothing.
            let min = if value == Some(0) { 1 } else { min };
            constraints.range(&format!("{path}.{member}"), value, min, i64::MAX);
        }
        OnDemandThroughput {
            max_read_request_units: self.max_read_request_units,
            max_write_request_units: self.max_write_request_units,
        }
    }
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
    /// Gathers the model's constraints; `path` is the member's.
    pub(crate) fn constrain(&self, path: &str, constraints: &mut Constraints) -> WarmThroughput {
        for (member, value) in [
            ("readUnitsPerSecond", self.read_units_per_second),
            ("writeUnitsPerSecond", self.write_units_per_second),
        ] {
            constraints.range(&format!("{path}.{member}"), value, 1, i64::MAX);
        }
        WarmThroughput {
            read_units_per_second: self.read_units_per_second,
            write_units_per_second: self.write_units_per_second,
        }
    }
}
