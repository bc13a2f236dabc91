# Databricks notebook source
# Runs when everything was copied.
print("copied:", dbutils.widgets.get("pipeline"))
