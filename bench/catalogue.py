"""What the page of `ljm catalogue` costs for 10,000 jobs: to write, to open, and to search in a real Chromium.

`python -m bench.catalogue`. The jobs are those of `estate.py`, made less alike: with many schedules, owners and graphs,
and ten tables each. They are in a Delta table, and in a YAML file each. A browser opens the page at several addresses
until all of it is there; the best of several is what counts of each address, and of these the worst.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.estate import Row, rows, write_table, write_yaml
from bench.generate import Figure, measured_step

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.browser import Tab, browser

SIZE = 10_000
_PROJECT = "metadata: [{where}]\ndefaults: {{warehouse_id: 0123456789abcdef}}\n"
_BUNDLE = "bundle: {name: estate}\ninclude: [resources/jobs/*.yml]\ntargets: {dev: {default: true}, prod: {}}\n"
_REPEATS = 5
_ADDRESSES = ("", "#/job/module_05000", "#/?q=team_3&type=SQL", "#/tables")
_WORDS = ("m", "module_09", "owner_17", "silver.t_4", "domain_3 sql", "nothing has this")
_SEARCH = """
(async () => {
  const field = document.querySelector("#search");
  const began = performance.now();
  field.value = WORDS;
  field.dispatchEvent(new Event("input"));
  document.querySelector("#list").getBoundingClientRect();
  return (performance.now() - began) / 1000;
})()
"""


@dataclass(frozen=True, slots=True)
class Page:
    """What is known of one page: its bytes, and the worst seconds that a browser needed."""

    where: str
    generate: Figure
    catalogue: Figure
    megabytes: float
    open_seconds: float
    open_processor_seconds: float
    search_seconds: float


def varied(modules: int) -> list[Row]:
    """Returns the rows of `estate.py` with owners, tables, schedules and graphs that differ."""
    return [_varied(row, number // 5, number % 5) for number, row in enumerate(rows(modules))]


def _varied(row: Row, module: int, source: int) -> Row:
    job = {
        "schedule": {"quartz_cron_expression": f"0 {module % 60} {module % 24} * * ?", "timezone_id": "Europe/Berlin"},
        "tags": {"owner": f"owner_{module % 211}", "domain": f"domain_{module % 37}", "team": f"team_{module % 7}"},
    }
    return {
        **row,
        "execution_order": 1 + source * (1 + module % 5) // 5,
        "source_config": json.dumps({"table": f"main.bronze.t_{module}_{source}"}),
        "target_config": json.dumps({"table": f"main.silver.t_{module + 1}_{source}"}),
        "job_config": json.dumps(job) if source == 0 else None,
    }


def run(size: int = SIZE) -> Iterator[Page]:
    """Measures a page of so many jobs of a table, and of as many files."""
    made = varied(size)
    with tempfile.TemporaryDirectory() as name:
        for where in ("delta: control", "yaml: metadata"):
            folder = Path(name, where.partition(":")[0])
            folder.mkdir()
            (folder / "databricks.yml").write_text(_BUNDLE, encoding="utf-8")
            (folder / "job_meta.yml").write_text(_PROJECT.format(where=f"{{{where}}}"), encoding="utf-8")
            if where.startswith("delta"):
                write_table(folder / "control", made)
            else:
                write_yaml(folder / "metadata", made)
            yield _measured(where, size, folder)


def _measured(where: str, size: int, folder: Path) -> Page:
    project, site = ["--project", str(folder)], folder / "site"
    generate = measured_step(f"{where}: generate, nothing there", size, [*project, "generate"], repeats=1)
    arguments = [*project, "catalogue", "-o", str(site)]
    catalogue = measured_step(f"{where}: catalogue", size, arguments, repeats=1)
    page = site / "index.html"
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as tab:
        tab.look(1440, 900)
        opened = max(min(_opened(tab, page.as_uri() + address) for _ in range(_REPEATS)) for address in _ADDRESSES)
        tab.open(page.as_uri())
        searched = max(_searched(tab, words) for words in _WORDS)
    return Page(where, generate, catalogue, page.stat().st_size / 1e6, *opened, searched)


def _opened(tab: Tab, address: str) -> tuple[float, float]:
    """Returns the seconds until the page is all there, by the clock and of a processor."""
    tab.call("Page.navigate", url="about:blank")
    before = tab.processor_seconds()
    seconds = float(tab.open(address))
    return seconds, tab.processor_seconds() - before


def _searched(tab: Tab, words: str) -> float:
    """Returns the best time from a change of the search to a list that has its layout."""
    return min(float(tab.run(_SEARCH.replace("WORDS", json.dumps(words)))) for _ in range(_REPEATS))


def main() -> None:
    """Prints the figures as one table."""
    heads = ("opened", "processor", "searched")
    print(
        f"{'':20}{'MB':>8}{'written':>10}{'processor':>11}{'to generate':>13}"
        + "".join(f"{each:>11}" for each in heads)
    )
    for page in run(int(sys.argv[1]) if sys.argv[1:] else SIZE):
        made = page.catalogue
        ratio = made.processor_seconds / page.generate.processor_seconds
        print(
            f"{page.where:20}{page.megabytes:8.1f}{made.seconds:8.1f} s{made.processor_seconds:9.1f} s{ratio:12.2f}x"
            f"{page.open_seconds:9.2f} s{page.open_processor_seconds:9.2f} s{page.search_seconds * 1000:8.0f} ms"
        )


if __name__ == "__main__":
    main()
