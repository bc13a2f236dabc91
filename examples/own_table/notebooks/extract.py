# Databricks notebook source
# Loads one table of the source system into a staging table.
table = dbutils.widgets.get("table")  # noqa: F821
mode = dbutils.widgets.get("mode")  # noqa: F821
print(f"loading {table} ({mode})")
