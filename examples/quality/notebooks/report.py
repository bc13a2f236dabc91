# Databricks notebook source
# Sums the orders up. It never sees rows that a rule of criticality `error` is against.

spark.sql(
    """
    CREATE OR REPLACE TABLE main.shop.report USING DELTA AS
    SELECT order_date, count(*) AS orders, sum(amount) AS amount FROM main.shop.orders GROUP BY order_date
    """
)
