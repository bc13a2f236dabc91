# Databricks notebook source
# Copies one object of the source system to the sink.
source = dbutils.widgets.get("source")  # noqa: F821
sink = dbutils.widgets.get("sink")  # noqa: F821
print(f"copying {source} to {sink}")
