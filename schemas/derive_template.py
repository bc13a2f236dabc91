"""Writes `bundle/template`, the template for `databricks bundle init`, from what `ljm init --from starter` writes.

    python schemas/derive_template.py            # --check only says whether it is stale

Each answer of the template is an option of `ljm init`. The project is rendered with every choice, and where a choice
changes a file, the template has a condition there. What editors read, half a megabyte of schemas, `ljm editor` adds.
"""

from __future__ import annotations

import difflib
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from lakeflow_job_meta.deployment.databricks_cli.client import FLOOR
from lakeflow_job_meta.services.new_project import CI_FILES, Flavour, NewProject, project_files

FOLDER = Path(__file__).parents[1] / "bundle" / "template"
NAME, WAREHOUSE = "LJM_NAME", "LJM_WAREHOUSE"
"""What stands for the answers, which are texts, while the project is rendered."""
ROOT = "{{.project_name}}"

CHOICES: tuple[tuple[str, dict[str, object]], ...] = (
    (".warehouse_id", {"warehouse_id": WAREHOUSE}),
    ('eq .policies "yes"', {"has_policies": True}),
    *((f'eq .ci "{name}"', {"ci": name}) for name in CI_FILES),
)
"""Conditions of Go's templates, and what they mean for a project; each changes other files."""

SCHEMA = {
    "welcome_message": "A bundle whose jobs come from metadata, for `ljm` of Lakeflow Job Meta.",
    "min_databricks_cli_version": f"v{'.'.join(map(str, FLOOR))}",
    "properties": {
        "project_name": {
            "type": "string",
            "default": "my_pipelines",
            "description": "Name of the bundle, and of its folder",
            "order": 1,
            "pattern": "^[A-Za-z0-9_-]+$",
            "pattern_match_failure_message": "A name has letters, digits, '_' and '-' alone.",
        },
        "warehouse_id": {
            "type": "string",
            "default": "",
            "description": "Id of the SQL warehouse of SQL tasks (empty: later)",
            "order": 2,
            "pattern": "^[0-9A-Za-z_-]*$",
            "pattern_match_failure_message": "Copy the id from the warehouse's page.",
        },
        "policies": {
            "type": "string",
            "default": "no",
            "enum": ["no", "yes"],
            "description": "Rules that every job must keep (policies.yml)",
            "order": 3,
        },
        "ci": {
            "type": "string",
            "default": "none",
            "enum": [*CI_FILES, "none"],
            "description": "The CI that a recipe is for",
            "order": 4,
        },
    },
    "success_message": "Next: cd {{.project_name}} && ljm editor && ljm generate && ljm deploy -t dev\n",
}


def template_files() -> dict[str, str]:
    """Returns every file of the template by its path."""
    plain = _rendered()
    files: dict[str, str] = {}
    skipped: list[str] = []
    found = {path: {"": text} for path, text in plain.items()}
    for condition, settings in CHOICES:
        for path, text in _rendered(**settings).items():
            if path not in plain:
                skipped.append(f'{{{{if not ({condition})}}}}{{{{skip "{ROOT}/{path}"}}}}{{{{end}}}}\n')
                found[path] = {"": text}
            elif text != plain[path]:
                found[path][condition] = text
    for path, texts in found.items():
        files[f"template/{ROOT}/{path}.tmpl"] = _in_go(texts)
    files["template/__preamble.tmpl"] = "".join(['{{skip "__preamble"}}\n', *skipped])
    files["databricks_template_schema.json"] = json.dumps(SCHEMA, indent=2) + "\n"
    return files


def _rendered(**settings: object) -> dict[str, str]:
    project = NewProject(NAME, Flavour.STARTER, **settings)  # type: ignore[arg-type]
    return {path: content.decode() for path, content in project_files(project).items()}


def _in_go(texts: dict[str, str]) -> str:
    """Returns a text of Go's templates for a file: its plain form, and the one for the choice that changes it."""
    lines = {condition: text.replace("{{", '{{"{{"}}').splitlines(keepends=True) for condition, text in texts.items()}
    plain = lines.pop("")
    if not lines:
        return _with_answers(plain)
    ((condition, other),) = lines.items()
    pieces: list[str] = []
    for kind, start, end, other_start, other_end in difflib.SequenceMatcher(None, plain, other).get_opcodes():
        if kind == "equal":
            pieces += plain[start:end]
        else:
            both = [(condition, other[other_start:other_end]), (f"not ({condition})", plain[start:end])]
            pieces += [piece for which, part in both if part for piece in (f"{{{{if {which}}}}}", *part, "{{end}}")]
    return _with_answers(pieces)


def _with_answers(pieces: Sequence[str]) -> str:
    return "".join(pieces).replace(NAME, "{{.project_name}}").replace(WAREHOUSE, "{{.warehouse_id}}")


def is_stale() -> bool:
    """Says whether the template on disk is not what it would be now."""
    on_disk = {path.relative_to(FOLDER).as_posix(): path.read_text() for path in FOLDER.rglob("*") if path.is_file()}
    return on_disk != template_files()


def main() -> None:
    """Writes the template, or says that it is stale."""
    if "--check" in sys.argv:
        sys.exit("bundle/template is stale; run: python schemas/derive_template.py" if is_stale() else 0)
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, text in template_files().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
