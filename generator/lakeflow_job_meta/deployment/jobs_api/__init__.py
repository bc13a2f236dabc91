"""Deployment through the Jobs API, where no databricks CLI can be installed."""
