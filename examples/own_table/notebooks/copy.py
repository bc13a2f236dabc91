# Databricks notebook source
# Copies one object of the source system to the sink.
source = dbutils.widgets.get("source")
sink = dbutils.widgets.get("sink")
print(f"copying {source} to {sink}")
