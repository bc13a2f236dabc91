"""Which databricks-sdk the schemas are made from; what is tested here does not depend on the one that is installed."""

from __future__ import annotations

import json
import re

from support.project_folder import REPOSITORY


def test_the_schemas_are_made_from_the_sdk_that_development_installs():
    schemas = (REPOSITORY / "schemas").glob("*.schema.json")
    made_from = {path.name: json.loads(path.read_text("utf-8"))["x-databricks-sdk"] for path in schemas}
    pinned = re.search(r'"databricks-sdk==([\d.]+)"', (REPOSITORY / "pyproject.toml").read_text("utf-8"))
    assert pinned is not None
    assert set(made_from.values()) == {pinned[1]}, made_from
