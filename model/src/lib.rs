//! What DynamoDB is: pure types and rules, with no tokio, files or clock.
