"""From parsed modules to Databricks jobs: plain Jobs API values, and where each was written."""
