"""The shipped JSON Schemas, and the validator that compares values with them."""
