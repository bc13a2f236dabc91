# Databricks notebook source
# Checks one table with the rules of DQX (databricks-labs-dqx), and keeps what came out of it.
#
# All parameters begin with `ljm_`: one of the job would win over one of the same name of the task.
#
# | parameter | meaning |
# |---|---|
# | `ljm_module`, `ljm_source` | whose table it is; both are part of the results |
# | `ljm_table` | the table to check, `catalog.schema.table` |
# | `ljm_checks_file` | a YAML file with rules in DQX's format, absolute or relative to this notebook; may be empty |
# | `ljm_checks_table` | a table with rules as DQX stores them; those whose `run_config_name` is `table`; may be empty |
# | `ljm_quarantine` | a table that rows with errors are copied to; may be empty |
# | `ljm_on_error` | `stop`: this task fails where a rule of criticality `error` does; `go_on`: it does not |
# | `ljm_results_table` | a table that gets one row for each rule; where it is empty, results are only printed |
# | `ljm_run_id` | the run of the job; a repaired run replaces the rows that it has put into quarantine |
# | `ljm_target` | the target that the job was deployed to; it is part of the results |
#
# Values of rows are copied to the quarantine alone: results and messages hold names and counts.

# COMMAND ----------

import json
import os
import random
import re
import time
import uuid
from datetime import datetime, timezone
from pathlib import Path

from databricks.labs.dqx.checks_serializer import deserialize_checks
from databricks.labs.dqx.checks_storage import DataFrameConverter
from databricks.labs.dqx.engine import DQEngine, DQEngineCore
from databricks.labs.dqx.metrics_observer import DQMetricsObserver
from databricks.sdk import WorkspaceClient
from pyspark.sql import functions as F

PARAMETERS = (
    "module", "source", "table", "checks_file", "checks_table", "quarantine", "on_error", "results_table", "run_id",
    "target",
)  # fmt: skip
RESULTS = (
    "run_id STRING, module STRING, source STRING, check_name STRING, kind STRING, criticality STRING, "
    "failed_rows BIGINT, checked_rows BIGINT, checked_at TIMESTAMP, table_name STRING, message STRING, target STRING"
)
RULE_COLUMNS = {"name", "criticality", "check", "filter", "run_config_name", "user_metadata"}
RESULT_COLUMNS = {"_errors", "_warnings", "_dq_info"}
QUARANTINE_COLUMNS = {"_run_id", "_module", "_source", "_quarantined_at"}
# What Delta says of a commit that another one came before, and of a table that another run has just created.
CONFLICT = re.compile(r"(?i)concurrent|metadata_?changed|protocol_?changed|already_?exists")
# One text for all rules that could not be evaluated: structures do not survive observe() over Spark Connect.
SKIPPED = (
    "max(array_join(transform(filter(concat(coalesce(_errors, array()), coalesce(_warnings, array())), "
    r"x -> x.skipped), x -> concat(x.rule_fingerprint, '\u0001', x.message)), '\u0002')) AS skipped"
)


class QualityFailed(Exception):
    """The table cannot be checked, or rules of criticality `error` failed."""


def parameters_of_task():
    for name in PARAMETERS:
        dbutils.widgets.text(f"ljm_{name}", "")
    found = {name: dbutils.widgets.get(f"ljm_{name}").strip() for name in PARAMETERS}
    found["on_error"] = found["on_error"] or "stop"
    found["run_id"] = found["run_id"] or f"manual-{uuid.uuid4().hex}"
    if missing := [f"ljm_{name}" for name in ("module", "source", "table") if not found[name]]:
        raise QualityFailed(f"This notebook needs a value for: {', '.join(missing)}.")
    if found["on_error"] not in ("stop", "go_on"):
        raise QualityFailed(f"The parameter ljm_on_error is {found['on_error']!r}; it is either stop or go_on.")
    return found


task = parameters_of_task()


def in_sql(table):
    """Returns a table as SQL names it; one that is given by its path is named by that."""
    return f"delta.`{table}`" if "/" in table else table


def text_in_sql(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def is_there(table):
    if "/" not in table:
        return spark.catalog.tableExists(table)
    from delta.tables import DeltaTable

    return DeltaTable.isDeltaTable(spark, table)


def save_into(writer, table):
    (writer.save if "/" in table else writer.saveAsTable)(table)


def plural(number, word):
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def without_conflict(write, attempts=10):
    """Writes; what another run was faster with is written again."""
    try:
        write()
    except Exception as error:
        if attempts == 1 or not CONFLICT.search(f"{type(error).__name__} {error}"):
            raise
        time.sleep(random.uniform(0.1, 1.0))
        without_conflict(write, attempts - 1)


# COMMAND ----------
# The rules: of the file, and of the table.


def rules_of_file(name):
    path = Path(os.getcwd()) / name  # an absolute name stays as it is
    if not path.is_file():
        raise QualityFailed(f"There is no file of rules {path}: generate the bundle again, and deploy it.")
    return DQEngineCore.load_checks_from_local_file(str(path))


def same_table(name):
    return name.replace("`", "").casefold()


def rules_of_table(rules_table, table):
    if not is_there(rules_table):
        raise QualityFailed(f"There is no table of rules {rules_table}: correct 'checks_table', or save rules there.")
    frame = spark.read.table(in_sql(rules_table))
    if missing := sorted(RULE_COLUMNS - set(frame.columns)):
        raise QualityFailed(
            f"{rules_table} is no table of rules: it has no column {', '.join(missing)}. DQX stores rules in "
            f"{', '.join(sorted(RULE_COLUMNS))} (save_checks of its engine creates such a table)."
        )
    named = sorted(row[0] or "" for row in frame.select("run_config_name").distinct().collect())
    wanted = [name for name in named if same_table(name) == same_table(table)]
    if not wanted:
        there = f"there are rules for {', '.join(map(repr, named[:10]))}" if named else "it has no rows"
        raise QualityFailed(f"{rules_table} has no rules whose run_config_name is {table!r}; {there}.")
    # Not load_checks of the engine: it asks Unity Catalog for the table, and knows none of the Hive metastore.
    return [rule for name in wanted for rule in DataFrameConverter.from_dataframe(frame, run_config_name=name)]


def all_rules():
    found = rules_of_file(task["checks_file"]) if task["checks_file"] else []
    if not isinstance(found, list):
        raise QualityFailed(f"{task['checks_file']} has to be a list of rules.")
    if task["checks_table"]:
        found = found + rules_of_table(task["checks_table"], task["table"])
    if not found:
        raise QualityFailed(f"There are no rules for {task['table']}: ljm_checks_file and ljm_checks_table are empty.")
    status = DQEngineCore.validate_checks(found)
    if status.has_errors:
        raise QualityFailed(f"The rules for {task['table']} have mistakes: {'; '.join(status.errors)}")
    return deserialize_checks(found)


# COMMAND ----------
# One pass over the table: it marks the rows, counts them for each rule, and copies those with errors.


def rows_to_check():
    table, quarantine = task["table"], task["quarantine"]
    if not is_there(table):
        raise QualityFailed(
            f"There is no table {table}: the source {task['source']!r} has to create it before it is checked; or "
            "correct 'table' in its 'quality'."
        )
    frame = spark.read.table(in_sql(table))
    reserved = RESULT_COLUMNS | (QUARANTINE_COLUMNS if quarantine else set())
    if taken := sorted({name.lower() for name in frame.columns} & reserved):
        raise QualityFailed(f"{table} has a column {', '.join(taken)}, which the checks would add; rename it.")
    return frame


def copy_to_quarantine(checked):
    """Copies rows with errors; what an earlier attempt of this run has copied is replaced, in one commit."""
    quarantine = task["quarantine"]
    # A rule that could not be evaluated says nothing of a row.
    found = "filter(_errors, x -> NOT coalesce(x.skipped, false))"
    rows = (
        checked.withColumn("_errors", F.expr(found))
        .where("size(_errors) > 0")
        .withColumn("_run_id", F.lit(task["run_id"]))
        .withColumn("_module", F.lit(task["module"]))
        .withColumn("_source", F.lit(task["source"]))
        .withColumn("_quarantined_at", F.current_timestamp())
    )
    mine = " AND ".join(f"_{name} = {text_in_sql(task[name])}" for name in ("run_id", "module", "source"))

    def write():
        # Most runs are no repairs: they append, which never conflicts with another run.
        is_repaired = is_there(quarantine) and spark.read.table(in_sql(quarantine)).where(mine).limit(1).count()
        writer = rows.write.format("delta").option("mergeSchema", "true")
        writer = writer.mode("overwrite").option("replaceWhere", mine) if is_repaired else writer.mode("append")
        save_into(writer, quarantine)

    without_conflict(write)


def counts_of(engine, rules):
    """Returns the number of rows, a count for each rule, and why rules could not be evaluated, by fingerprint."""
    checked, observation = engine.apply_checks(rows_to_check(), rules)
    if task["quarantine"]:
        copy_to_quarantine(checked)
    else:
        checked.count()
    observed = observation.get
    skipped = dict(entry.split("\u0001", 1) for entry in (observed["skipped"] or "").split("\u0002") if entry)
    return observed["input_row_count"], json.loads(observed["check_metrics"]), skipped


def result_of(rule, counts, skipped, moment):
    is_error = rule.criticality == "error"
    failed, checked = counts["error_count" if is_error else "warning_count"], counts["checked_count"]
    reason = skipped.get(rule.rule_fingerprint, "")
    if reason:
        message = reason.replace("Check evaluation skipped due to", "could not be evaluated:")
    else:
        message = f"{failed:,} of {plural(checked, 'row')}"
    return {
        "run_id": task["run_id"],
        "module": task["module"],
        "source": task["source"],
        "check_name": rule.name,
        "kind": "dqx",
        "criticality": rule.criticality,
        "failed_rows": failed,
        "checked_rows": checked,
        "checked_at": moment,
        "table_name": task["table"],
        "message": message,
        "target": task["target"] or None,
    }


# COMMAND ----------
# The results: printed, kept, and what follows from them.


def keep_results(results):
    table = task["results_table"]
    without_conflict(lambda: spark.sql(f"CREATE TABLE IF NOT EXISTS {in_sql(table)} ({RESULTS}) USING DELTA"))
    writer = spark.createDataFrame(results, RESULTS).write.format("delta").mode("append").option("mergeSchema", "true")
    without_conflict(lambda: save_into(writer, table))


def lines_of(results, rows):
    yield f"{task['table']}: {plural(len(results), 'rule')}, {plural(rows, 'row')}."
    if not rows:
        yield f"{task['table']} has no rows, so no rule could fail."
    width = max(len(each["check_name"]) for each in results)
    for each in results:
        verdict = "passed" if not each["failed_rows"] else "FAILED" if each["criticality"] == "error" else "warned"
        yield f"  {verdict}  {each['check_name']:{width}}  {each['criticality']:5}  {each['message']}"


observer = DQMetricsObserver(custom_metrics=[SKIPPED])
engine = DQEngine(WorkspaceClient(), spark, observer=observer)
rules = all_rules()
rows, counts, skipped = counts_of(engine, rules)
moment = datetime.now(timezone.utc)
results = [result_of(rule, each, skipped, moment) for rule, each in zip(rules, counts)]
for line in lines_of(results, rows):
    print(line)
if task["results_table"]:
    keep_results(results)
    print(f"The results are in {task['results_table']}.")
if task["quarantine"] and any(each["failed_rows"] and each["checked_rows"] for each in results):
    print(f"Rows with errors are in {task['quarantine']}, with _run_id {task['run_id']!r}.")

# COMMAND ----------

failed = [each for each in results if each["failed_rows"] and each["criticality"] == "error"]
if failed:
    listed = "; ".join(f"{each['check_name']} ({each['message']})" for each in failed)
    sentence = f"{task['table']}: {plural(len(failed), 'rule')} of criticality error failed: {listed}."
    if task["on_error"] == "stop":
        raise QualityFailed(sentence)
    print(f"{sentence} The run goes on, as 'on_error' says.")
