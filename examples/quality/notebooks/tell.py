# Databricks notebook source
# Runs where something has failed, and says what: here into the output of the run; a message to the team is as near.

failed = spark.sql(
    """
    SELECT check_name, message FROM main.etl.control_quality
    WHERE module = 'shop' AND criticality = 'error' AND failed_rows > 0
    ORDER BY checked_at DESC
    """
).collect()
for row in failed:
    print(f"Rows are wrong: {row.check_name}, {row.message}.")
