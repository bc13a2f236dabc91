"""The pages of the dashboard and their widgets, and the JSON that an AI/BI dashboard is kept as. Pure.

Its form is not documented. This one has what dashboards have that Databricks publishes, such as those in
https://github.com/databricks/bundle-examples: datasets with lines of SQL; pages with widgets on a grid that is six
wide; counters of version 2, tables of version 1, bars and lines of version 3.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lakeflow_job_meta._internal.trees import Value

GRID_WIDTH = 6

_DISPLAYED = {"text": ("string", "string"), "number": ("integer", "number"), "time": ("datetime", "datetime")}
"""Type and display of a column."""


@dataclass(frozen=True, slots=True)
class Widget:
    """One widget.

    Attributes:
        kind: `counter`, `table`, `bar` or `line`.
        columns: Of a table: each column's heading, and what it holds.
        x: Of a chart: the column across.
        y: Of a chart: what is summed up; rows are counted where it is empty.
        color: Of a chart: the column that makes series.
    """

    kind: str
    title: str
    dataset: str
    width: int = GRID_WIDTH
    height: int = 6
    columns: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    x: str = ""
    y: str = ""
    color: str = ""
    is_over_time: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page: what it answers, and its widgets in reading order.

    Attributes:
        needs: `records` or `quality`: the tables that it reads.
    """

    name: str
    title: str
    question: str
    needs: str
    widgets: tuple[Widget, ...]

    @property
    def datasets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(widget.dataset for widget in self.widgets))


_OWNER, _DOMAIN = {"owner": ("Owner", "text")}, {"domain": ("Domain", "text")}
_MODULE, _TARGET = {"module_name": ("Module", "text")}, {"target": ("Target", "text")}
_RESULT = {"result_state": ("Result", "text"), "termination_code": ("Termination code", "text")}
_URL = {"url": ("Job", "link")}
_CHANGED_BY = {"changed_by": ("Metadata changed by", "text"), "git_commit": ("Commit", "text")}

PAGES = (
    Page(
        "now",
        "Now",
        "Which jobs failed in the last day, and whose are they?",
        "records",
        (
            Widget("counter", "Jobs that failed in the last day", "failed_jobs", 2, 4),
            Widget("bar", "Failed jobs by owner", "failed_jobs", 2, 4, x="owner", color="state"),
            Widget("line", "Runs by hour", "runs_by_hour", 2, 4, x="hour", y="runs", color="result", is_over_time=True),
            Widget(
                "table",
                "Failed jobs",
                "failed_jobs",
                columns={
                    **_OWNER,
                    **_DOMAIN,
                    **_MODULE,
                    **_TARGET,
                    "state": ("State", "text"),
                    "failures": ("Failures", "number"),
                    "last_failure": ("Last failure", "time"),
                    **_RESULT,
                    **_URL,
                },
            ),
            Widget(
                "table",
                "Failed tasks",
                "failed_tasks",
                columns={
                    **_OWNER,
                    **_MODULE,
                    "task_key": ("Task", "text"),
                    **_TARGET,
                    "ended": ("Ended", "time"),
                    **_RESULT,
                    "job_run_id": ("Run", "text"),
                },
            ),
        ),
    ),
    Page(
        "late",
        "Late",
        "Which jobs have a schedule, and did not start?",
        "records",
        (
            Widget("counter", "Late jobs", "late_jobs", 2, 4),
            Widget("bar", "Late jobs by owner", "late_jobs", 4, 4, x="owner", color="state"),
            Widget(
                "table",
                "Late jobs",
                "late_jobs",
                height=8,
                columns={
                    **_OWNER,
                    **_DOMAIN,
                    **_MODULE,
                    **_TARGET,
                    "state": ("State", "text"),
                    "last_start": ("Last start", "time"),
                    "expected_by": ("Expected by", "time"),
                    "hours_late": ("Hours late", "number"),
                    "cron": ("Schedule", "text"),
                    "time_zone": ("Time zone", "text"),
                    **_URL,
                },
            ),
        ),
    ),
    Page(
        "change",
        "Change and effect",
        "Which runs failed within a day of a change of their job, and what was changed?",
        "records",
        (
            Widget("counter", "Runs that failed within a day of a change", "failed_after_change", 2, 4),
            Widget("line", "Jobs changed by the monitor", "changes", 4, 4, x="time", y="jobs", is_over_time=True),
            Widget(
                "table",
                "Runs that failed within a day of a change",
                "failed_after_change",
                height=8,
                columns={
                    **_OWNER,
                    **_DOMAIN,
                    **_MODULE,
                    **_TARGET,
                    "change": ("Job was", "text"),
                    "changed": ("At", "time"),
                    "metadata_version": ("Metadata version", "text"),
                    "deployed_by": ("Deployed by", "text"),
                    **_CHANGED_BY,
                    "failed": ("Failed", "time"),
                    "hours_after": ("Hours after", "number"),
                    **_RESULT,
                    "result_before": ("Result before the change", "text"),
                    **_URL,
                },
            ),
            Widget(
                "table",
                "What the monitor deployed",
                "changes",
                columns={
                    "time": ("Time", "time"),
                    **_TARGET,
                    "metadata_version": ("Metadata version", "text"),
                    "outcome": ("Outcome", "text"),
                    "created": ("Created", "number"),
                    "changed": ("Changed", "number"),
                    "deleted": ("Deleted", "number"),
                    **_CHANGED_BY,
                },
            ),
        ),
    ),
    Page(
        "quality",
        "Quality",
        "Which checks did rows fail when they ran last, and is it getting better?",
        "quality",
        (
            Widget("counter", "Checks that rows fail", "failing_checks", 2, 4),
            Widget(
                "bar", "Failed rows by module", "failing_checks", 2, 4, x="module", y="failed_rows", color="criticality"
            ),
            Widget(
                "line",
                "Failed rows by day",
                "quality_by_day",
                2,
                4,
                x="day",
                y="failed_rows",
                color="criticality",
                is_over_time=True,
            ),
            Widget(
                "table",
                "Checks that rows fail",
                "failing_checks",
                height=8,
                columns={
                    "module": ("Module", "text"),
                    "source": ("Source", "text"),
                    "check_name": ("Check", "text"),
                    **_TARGET,
                    "criticality": ("Criticality", "text"),
                    "failed_rows": ("Failed rows", "number"),
                    "checked_rows": ("Checked rows", "number"),
                    "failed_percent": ("Failed %", "number"),
                    "table_name": ("Table", "text"),
                    "message": ("Message", "text"),
                    "checked_at": ("Checked", "time"),
                },
            ),
        ),
    ),
    Page(
        "held_back",
        "Held back and in quarantine",
        "What does the monitor not deploy, and why?",
        "records",
        (
            Widget("counter", "Modules in quarantine", "quarantine", 2, 4),
            Widget("counter", "Changes held back", "held_back", 2, 4),
            Widget("bar", "Quarantine by owner", "quarantine", 2, 4, x="owner"),
            Widget(
                "table",
                "Modules in quarantine",
                "quarantine",
                columns={**_OWNER, **_MODULE, **_TARGET, "since": ("Since", "time"), "job": ("Its job", "text")},
            ),
            Widget(
                "table",
                "Changes held back",
                "held_back",
                columns={
                    **_TARGET,
                    "jobs": ("Jobs", "text"),
                    "reason": ("Reason", "text"),
                    "time": ("Since the tick of", "time"),
                },
            ),
            Widget(
                "table",
                "Messages of the newest tick",
                "messages",
                columns={**_TARGET, "message": ("Message", "text"), "time": ("Time", "time")},
            ),
        ),
    ),
)


def dashboard_json(pages: Iterable[Page], queries: Mapping[str, str]) -> bytes:
    """Returns the file of a dashboard; `queries` is the SQL of each dataset."""
    datasets: list[Value] = [
        {
            "name": name,
            "displayName": name.replace("_", " ").capitalize(),
            "queryLines": list[Value](query.splitlines(keepends=True)),
        }
        for name, query in queries.items()
    ]
    root: Value = {"datasets": datasets, "pages": [_page(page) for page in pages]}
    return f"{json.dumps(root, indent=2, ensure_ascii=False)}\n".encode()


def _page(page: Page) -> Value:
    layout: list[Value] = [
        {
            "widget": {
                "name": f"{page.name}-question",
                "multilineTextboxSpec": {"lines": [f"## {page.title}\n", page.question]},
            },
            "position": {"x": 0, "y": 0, "width": GRID_WIDTH, "height": 2},
        }
    ]
    x, y, height = 0, 2, 0
    for number, widget in enumerate(page.widgets, start=1):
        if x + widget.width > GRID_WIDTH:
            x, y, height = 0, y + height, 0
        position: Value = {"x": x, "y": y, "width": widget.width, "height": widget.height}
        layout.append({"widget": _widget(f"{page.name}-{number}-{widget.kind}", widget), "position": position})
        x, height = x + widget.width, max(height, widget.height)
    return {"name": page.name, "displayName": page.title, "layout": layout, "pageType": "PAGE_TYPE_CANVAS"}


def _widget(name: str, widget: Widget) -> Value:
    fields, encodings = _ENCODED[widget.kind](widget)
    query: Value = {"datasetName": widget.dataset, "fields": _fields(fields), "disaggregated": widget.kind == "table"}
    return {
        "name": name,
        "queries": [{"name": "main_query", "query": query}],
        "spec": {
            "version": _VERSIONS[widget.kind],
            "widgetType": widget.kind,
            "encodings": encodings,
            "frame": {"showTitle": True, "title": widget.title},
        },
    }


def _fields(expressions: Mapping[str, str]) -> list[Value]:
    return [{"name": name, "expression": expression} for name, expression in expressions.items()]


def _counter(widget: Widget) -> tuple[dict[str, str], dict[str, Value]]:
    return {"count(*)": "COUNT(`*`)"}, {"value": {"fieldName": "count(*)", "displayName": widget.title}}


def _table(widget: Widget) -> tuple[dict[str, str], dict[str, Value]]:
    columns: list[Value] = [
        _column(name, title, holds, number) for number, (name, (title, holds)) in enumerate(widget.columns.items())
    ]
    return {name: f"`{name}`" for name in widget.columns}, {"columns": columns}


def _column(name: str, title: str, holds: str, number: int) -> Value:
    column: dict[str, Value] = {"fieldName": name, "title": title, "displayName": title, "visible": True}
    if holds == "link":
        column.update({"type": "string", "displayAs": "link", "linkUrlTemplate": "{{ @ }}", "linkTextTemplate": "open"})
        column.update({"linkTitleTemplate": "{{ @ }}", "linkOpenInNewTab": True})
    else:
        column["type"], column["displayAs"] = _DISPLAYED[holds]
    if holds == "time":
        column["dateTimeFormat"] = "YYYY-MM-DD HH:mm"
    return {**column, "order": 100000 + number, "alignContent": "right" if holds == "number" else "left"}


def _chart(widget: Widget) -> tuple[dict[str, str], dict[str, Value]]:
    measure, sum_up = (f"sum({widget.y})", f"SUM(`{widget.y}`)") if widget.y else ("count(*)", "COUNT(`*`)")
    fields = {widget.x: f"`{widget.x}`", measure: sum_up}
    kind = "temporal" if widget.is_over_time else "categorical"
    heading = (widget.y or "number").replace("_", " ").capitalize()
    encodings: dict[str, Value] = {
        "x": {"fieldName": widget.x, "scale": {"type": kind}, "displayName": widget.x.replace("_", " ").capitalize()},
        "y": {"fieldName": measure, "scale": {"type": "quantitative"}, "displayName": heading},
    }
    if widget.color:
        fields[widget.color] = f"`{widget.color}`"
        name = widget.color.capitalize()
        encodings["color"] = {"fieldName": widget.color, "scale": {"type": "categorical"}, "displayName": name}
    return fields, encodings


_VERSIONS = {"counter": 2, "table": 1, "bar": 3, "line": 3}
_ENCODED = {"counter": _counter, "table": _table, "bar": _chart, "line": _chart}
