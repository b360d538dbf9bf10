//! A node of a replicated DynamoDB-compatible database.
