# Databricks notebook source
# Loads the orders of the day; two of them have come without their number.

spark.sql("CREATE SCHEMA IF NOT EXISTS main.shop")
spark.sql("CREATE SCHEMA IF NOT EXISTS main.quarantine")
spark.sql(
    """
    CREATE OR REPLACE TABLE main.shop.orders USING DELTA AS
    SELECT * FROM VALUES
      (1, 120.0, DATE'2026-03-01'), (2, 80.5, DATE'2026-03-01'), (NULL, 15.0, DATE'2026-03-01'),
      (NULL, 99.9, DATE'2026-03-02'), (5, 25000.0, DATE'2026-03-02')
      AS orders(order_id, amount, order_date)
    """
)
