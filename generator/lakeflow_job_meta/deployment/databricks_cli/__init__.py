"""Deployment with the official databricks CLI."""
