"""Resolves `${...}` where no databricks CLI does: variables, the target, the user, and jobs of the metadata. Pure.

Takes the settings of a job and known values, and returns settings without references. What it cannot resolve it never
guesses: such a job needs the databricks CLI. `{{...}}` is Databricks' own and passed on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lakeflow_job_meta._internal.text import json_like, quoted
from lakeflow_job_meta._internal.trees import Scalar, Value
from lakeflow_job_meta.jobs.references import JOB_ID, REFERENCE, REFERENCE_KINDS


class NeedsCli(Exception):
    """A job holds something that only the databricks CLI can deploy; the text is a sentence that says what."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """Resolves references by the values that they stand for, by what is between the braces, such as `var.catalog`."""

    values: Mapping[str, Scalar]

    def resolved(self, value: Value, job_ids: Mapping[str, int]) -> Value:
        """Returns a value without references; those of jobs that have no id yet stay as they are.

        Raises:
            NeedsCli: A reference stands for something that is not known here.
        """
        if isinstance(value, dict):
            return {key: self.resolved(item, job_ids) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolved(item, job_ids) for item in value]
        return self._text(value, job_ids) if isinstance(value, str) and "${" in value else value

    def _text(self, text: str, job_ids: Mapping[str, int]) -> Value:
        whole = REFERENCE.fullmatch(text)
        if whole is not None:
            return self._stands_for(whole, job_ids)
        return REFERENCE.sub(lambda match: json_like(self._stands_for(match, job_ids)), text)

    def _stands_for(self, match: re.Match[str], job_ids: Mapping[str, int]) -> Scalar:
        name = match.group(1)
        job = JOB_ID.fullmatch(match.group())
        if job is not None:
            return job_ids.get(job.group(1), match.group())
        if name in self.values:
            return self.values[name]
        if re.split(r"[.\[]", name)[0] not in REFERENCE_KINDS:
            return match.group()
        raise NeedsCli(f"{quoted(match.group())} can only be resolved by the databricks CLI: {_remedy(name)}.")


def _remedy(name: str) -> str:
    if name.startswith("var."):
        variable = name.removeprefix("var.")
        return f"set BUNDLE_VAR_{variable}, give it a plain default in databricks.yml, or deploy with `ljm deploy`"
    return "write the value itself, or deploy with `ljm deploy`"
