"""From the model to Databricks jobs: built as plain Jobs API values, then checked."""
