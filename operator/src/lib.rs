//! Turns Stator custom resources into running clusters.
