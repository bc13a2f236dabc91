# Databricks notebook source
# Loads one table of the source system into a staging table.
table = dbutils.widgets.get("table")
mode = dbutils.widgets.get("mode")
print(f"loading {table} ({mode})")
