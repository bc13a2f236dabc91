"""The connection to a Databricks workspace."""
