"""What each code means, for `ljm explain`, SARIF and docs/checks.md: `catalog.yml`, read when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from lakeflow_job_meta.diagnostics.model import DOCUMENTATION, Rule
from lakeflow_job_meta.diagnostics.rules import POLICY, RULES

_INTRODUCTION = """\
# Checks

Every problem that `ljm validate` reports ends in a code in brackets. `ljm explain CODE` prints the explanation of one
code; this page is `ljm explain --all`.

A check can be an error, a warning, or off for the whole project in `job_meta.yml`:

```yaml
checks:
  placeholder: error
  unknown-value: "off"
```

or off for one line of a metadata file, with a comment at its end: `# ljm: ignore[placeholder]`. A check that is "always
an error" cannot be changed, since nothing can be generated from such metadata. How bad it is when a job breaks a
[policy](policies.md) says the policy alone.
"""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code means, and what to do about it.

    Attributes:
        wrong: A small metadata file that has this mistake; `right` is the same without it.
        example: Stands for both where only the other files differ.
        files: Other files that both examples need, by path; `wrong_files` and `right_files` are those of one.
    """

    meaning: str
    remedy: str
    wrong: str = ""
    right: str = ""
    example: str = ""
    files: dict[str, str] = field(default_factory=dict)
    wrong_files: dict[str, str] = field(default_factory=dict)
    right_files: dict[str, str] = field(default_factory=dict)


@cache
def explanations() -> dict[str, Explanation]:
    """Returns the explanation of every rule, by code."""
    import yaml

    text = Path(__file__).with_name("catalog.yml").read_text(encoding="utf-8")
    return {code: Explanation(**entry) for code, entry in yaml.load(text, yaml.CSafeLoader).items()}


def explain(rule: Rule) -> str:
    """Returns what a code means, with examples, in Markdown."""
    return "\n".join(_lines(rule, explanations()[rule.code]))


def explain_all() -> str:
    """Returns the page of all codes."""
    return "\n".join([_INTRODUCTION, *(explain(RULES[code]) for code in sorted(RULES))])


def explanation_object(rule: Rule) -> dict[str, object]:
    """Returns what a code means, for JSON; examples are metadata files, and `files` are others beside them, by path."""
    found = explanations()[rule.code]
    return {
        "code": rule.code,
        "severity": rule.severity.value,
        "is_fixed": rule.is_fixed,
        "meaning": found.meaning,
        "remedy": found.remedy,
        "wrong": found.wrong or found.example or None,
        "right": found.right or found.example or None,
        "files": found.files,
        "wrong_files": found.wrong_files,
        "right_files": found.right_files,
        "documentation": f"{DOCUMENTATION}#{rule.code}",
    }


def _lines(rule: Rule, explanation: Explanation) -> Iterator[str]:
    fixed = ", always an error" if rule.is_fixed else ""
    fixed = ", or what the policy says" if rule is POLICY else fixed
    yield from (f"## {rule.code}", "", f"Severity: {rule.severity.value}{fixed}.", "")
    yield from (explanation.meaning, "", f"**Remedy.** {explanation.remedy}", "")
    for title, metadata in (("Wrong", explanation.wrong), ("Right", explanation.right)):
        if metadata:
            yield from (f"{title}:", "", "```yaml", metadata.rstrip(), "```", "")
    for title, files in (("Wrong", explanation.wrong_files), ("Right", explanation.right_files)):
        for path, content in files.items():
            yield from (f"{title}, in `{path}`:", "", "```", content.rstrip(), "```", "")
