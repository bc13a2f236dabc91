"""All rules with their explanations, for `ljm explain` and for docs/checks.md, which are one text."""

from __future__ import annotations

from collections.abc import Iterator

from lakeflow_job_meta.diagnostics.model import Rule
from lakeflow_job_meta.diagnostics.registry import RULES

INTRODUCTION = """\
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
an error" cannot be changed, since nothing can be generated from such metadata.
"""


def all_rules() -> list[Rule]:
    """Returns every rule by its code."""
    return [RULES[code] for code in sorted(RULES)]


def explain(rule: Rule) -> str:
    """Returns what a code means, with examples, in Markdown."""
    return "\n".join(_lines(rule))


def explain_all() -> str:
    """Returns the page of all codes."""
    return "\n".join([INTRODUCTION, *(explain(rule) for rule in all_rules())])


def _lines(rule: Rule) -> Iterator[str]:
    fixed = ", always an error" if rule.is_fixed else ""
    yield from (
        f"## {rule.code}",
        "",
        f"Severity: {rule.severity.value}{fixed}.",
        "",
        rule.meaning,
        "",
        f"**Remedy.** {rule.remedy}",
        "",
    )
    if rule.wrong != rule.right:
        yield from (
            "Wrong:",
            "",
            "```yaml",
            rule.wrong.rstrip(),
            "```",
            "",
            "Right:",
            "",
            "```yaml",
            rule.right.rstrip(),
            "```",
            "",
        )
    for title, files_needed in (("Wrong", rule.files), ("Right", rule.right_files)):
        if rule.files != rule.right_files:
            for path, content in files_needed:
                yield from (f"{title}, in `{path}`:", "", "```", content.rstrip(), "```", "")
