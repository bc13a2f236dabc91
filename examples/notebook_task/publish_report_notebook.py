# Databricks notebook source
# MAGIC %md
# MAGIC # Publish the daily sales report
# MAGIC
# MAGIC Writes yesterday's sales per country as a CSV file to a Unity Catalog volume.
# MAGIC The module `reporting` runs this notebook only when there are sales to report.
# MAGIC
# MAGIC | parameter | meaning |
# MAGIC |---|---|
# MAGIC | `run_date` | a day, `YYYY-MM-DD`; the report is about the day before it (a job parameter) |
# MAGIC | `sales_table` | the table with the daily sales, `catalog.schema.table` |
# MAGIC | `report_folder` | an existing folder in a volume |

# COMMAND ----------

from datetime import date, timedelta
from pathlib import Path

for parameter in ("run_date", "sales_table", "report_folder"):
    dbutils.widgets.text(parameter, "")

parameters = {name: dbutils.widgets.get(name).strip() for name in ("run_date", "sales_table", "report_folder")}
missing = [name for name, value in parameters.items() if not value]
if missing:
    raise ValueError(f"This notebook needs a value for: {', '.join(missing)}.")

report_folder = Path(parameters["report_folder"])
if not report_folder.is_dir():
    raise FileNotFoundError(f"The report folder {report_folder} does not exist. Create the volume or the folder first.")

report_date = date.fromisoformat(parameters["run_date"]) - timedelta(days=1)

# COMMAND ----------

report = spark.sql(
    """
    SELECT sales_date, country, order_count, customer_count, revenue
    FROM IDENTIFIER(:sales_table)
    WHERE sales_date = :report_date
    ORDER BY revenue DESC
    """,
    args={"sales_table": parameters["sales_table"], "report_date": report_date},
)
display(report)

# COMMAND ----------

# A few rows, one per country: small enough for the driver. The same day again replaces the same file.
report_file = report_folder / f"daily_sales_{report_date.isoformat()}.csv"
report.toPandas().to_csv(report_file, index=False)

dbutils.notebook.exit(str(report_file))
