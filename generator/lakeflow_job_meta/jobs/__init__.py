"""From the model to Databricks jobs: plain Jobs API values."""
