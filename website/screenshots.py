"""Pictures in docs/images: of the terminal, each of a command that was really run, and of the catalogue in a browser.

    python website/screenshots.py            # --check only says which ones show what the command no longer prints

A scene is what is done to a project, and the commands that are shown. They run on a terminal of 88 columns, with
a stand-in for the `databricks` command and a workspace on loopback. What was printed is in the picture as text too, for
readers who do not see it, and for `--check`.

The catalogue is that of examples/. Its picture has the digest of the page's templates in it, since no browser draws the
same twice: `--check` says when they have changed, and needs no browser.
"""

from __future__ import annotations

import atexit
import hashlib
import html
import io
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
COLUMNS = 88

TABLES = """\
source_table,target_table,load_type,watermark,enabled
dbo.Customers,customers,incremental,modified_at,true
dbo.Orders,orders,full,order_date,true
dbo.Countries,countries,full,,true
dbo.Leads,leads,full,,false
"""
_FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>{name}</title>
<desc>{printed}</desc>
<style>
.{unique_id}-matrix {{ font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: {char_height}px;
  line-height: {line_height}px; white-space: pre; }}
{styles}
</style>
<defs>{lines}</defs>
<rect width="{width}" height="{height}" rx="10" fill="#1d2330"/>
<g fill="#4b5467"><circle cx="24" cy="22" r="6"/><circle cx="46" cy="22" r="6"/><circle cx="68" cy="22" r="6"/></g>
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""

_CLEARED = re.compile(r"\r\x1b\[K[^\r\n]*(?=\r\x1b\[K)|\r\x1b\[K")


@cache
def _loads() -> Path:
    """A project that was made from a CSV file and generated, once for all scenes; they copy it."""
    folder = Path(tempfile.mkdtemp(prefix="ljm-pictures-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "tables.csv").write_text(TABLES, encoding="utf-8")
    for command in ("init loads --csv tables.csv --warehouse-id 0123456789abcdef", "generate --project loads"):
        ljm = [sys.executable, "-m", "lakeflow_job_meta", *command.split()]
        subprocess.run(ljm, cwd=folder, check=True, capture_output=True)
    return folder / "loads"


def _as_it_is(project: Path) -> None:
    """Changes nothing."""


def _with_retries(project: Path) -> None:
    _replace(project / "metadata/blueprints.yml", "notebook_path", "max_retries: 2\n            notebook_path")
    _replace(project / "data/tables.csv", "full,,false", "full,,true")


def _with_a_wrong_cell(project: Path) -> None:
    _replace(project / "metadata/blueprints.yml", "load_type: {type: text}", _LOAD_TYPE)
    _replace(project / "data/tables.csv", "orders,full", "orders,ful")


def _without_files(project: Path) -> None:
    shutil.rmtree(project / "resources")


_PROMPT = "\x1b[1;32m$\x1b[0m "
_LOAD_TYPE = "load_type: {type: text, one_of: [full, incremental]}"

SCENES: dict[str, tuple[str, Callable[[Path], None], tuple[str, ...]]] = {
    "generate": ("ljm generate writes one file for each job", _without_files, ("ljm generate",)),
    "plan": ("ljm plan folds the same change of many jobs into one", _with_retries, ("ljm plan",)),
    "error": ("ljm validate shows a mistake at its cell", _with_a_wrong_cell, ("ljm validate",)),
    "doctor": ("ljm doctor lists what a deployment needs", _as_it_is, ("ljm doctor",)),
}


def recorded(name: str) -> str:
    """Returns what the picture says, as text; nothing where there is none."""
    path = IMAGES / f"{name}.svg"
    found = re.search(r"<desc>(.*?)</desc>", path.read_text("utf-8"), re.DOTALL) if path.exists() else None
    return html.unescape(found.group(1)) if found else ""


def record(name: str) -> tuple[str, str]:
    """Runs the commands of a scene; returns what a terminal got from them, with and without colours."""
    _, prepare, commands = SCENES[name]
    with tempfile.TemporaryDirectory() as folder, _surroundings(Path(folder)) as environment:
        project = shutil.copytree(_loads(), Path(folder) / "loads")
        prepare(project)
        shown = "".join(
            f"\x1b[1;32m$\x1b[0m \x1b[1m{line}\x1b[0m\n{_on_a_terminal(project, line)}" for line in commands
        )
    shown = shown.replace(environment["DATABRICKS_HOST"], "https://adb-1234567890123456.7.azuredatabricks.net")
    for place, instead in ((folder, "/home/you"), (sys.prefix, "/home/you/.venv")):
        shown = shown.replace(place, instead)
    shown = re.sub(r"Python: [\d.]+", "Python: 3.12.11", shown)
    return shown, re.sub(r"\x1b\[[0-9;]*m", "", shown)


def picture(name: str, shown: str, printed: str) -> str:
    """Draws it as SVG. Its text has the width that was measured, so that any font of the reader will do."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor", highlight=False)
    console.print(Text.from_ansi(shown), end="")
    form = _FORMAT
    for field, text in (("{name}", SCENES[name][0]), ("{printed}", printed)):
        form = form.replace(field, html.escape(text).replace("{", "{{").replace("}", "}}"))
    drawn = console.export_svg(code_format=form, unique_id=name)
    return re.sub(r"[ \t]+$", "", drawn, flags=re.MULTILINE)


@contextmanager
def _surroundings(folder: Path) -> Iterator[dict[str, str]]:
    """A workspace and a databricks command for the time of a scene."""
    sys.path.insert(0, str(ROOT / "tests"))
    from fakes.databricks_cli import cli_environment, install_stand_in
    from fakes.workspace import FakeWorkspace

    before = dict(os.environ)
    with FakeWorkspace(folder / "workspace") as workspace:
        command = install_stand_in(folder / "bin")
        os.environ.update(cli_environment(workspace.url, workspace.token, folder / "databricks"))
        os.environ.update({"COLUMNS": str(COLUMNS), "TERM": "xterm-256color", "PYTHONUTF8": "1"})
        for name in before:
            if name.startswith(("DATABRICKS_CLI", "BUNDLE_VAR_", "LJM_")) or name in ("NO_COLOR", "CI"):
                del os.environ[name]
        os.environ["PATH"] = os.pathsep.join([str(command.parent), str(Path(sys.executable).parent), before["PATH"]])
        try:
            yield dict(os.environ)
        finally:
            os.environ.clear()
            os.environ.update(before)


def _on_a_terminal(folder: Path, line: str) -> str:
    """Runs a command on a terminal of its own, and returns what it wrote there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(["sh", "-c", line], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not part:
            break
        written += part
    os.close(ours)
    process.wait()
    # On a busy machine a progress bar is there for a moment; it clears its line each time, and at its end.
    return _CLEARED.sub("", written.decode()).replace("\r\n", "\n")


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} has no {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")


CATALOGUE = IMAGES / "catalogue.png"
_MOMENT = "2026-11-30T06:20:00Z"
_MADE_OF = b"tEXtMade of\0"


def templates_digest() -> str:
    """Returns the digest of what the page of the catalogue is made of, but for the metadata."""
    files = sorted((ROOT / "templates" / "catalogue").iterdir())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def recorded_digest() -> str:
    """Returns the digest that is in the picture of the catalogue; nothing where there is none."""
    found = CATALOGUE.read_bytes() if CATALOGUE.exists() else b""
    return found.partition(_MADE_OF)[2][:64].decode("ascii", "replace")


def catalogue_picture() -> bytes:
    """Returns what a browser shows of a job of the examples, with the digest in it."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.browser import browser

    with tempfile.TemporaryDirectory() as folder:
        ljm = [sys.executable, "-m", "lakeflow_job_meta", "catalogue", "-o", folder]
        subprocess.run([*ljm, "--source-url", "https://github.com/acme/pipelines/blob/main"], cwd=ROOT, check=True)
        with browser(Path(folder)) as tab:
            tab.look(1440, 960)
            tab.call("Page.addScriptToEvaluateOnNewDocument", source=f"Date.now = () => {_milliseconds()}")
            tab.open(f"{Path(folder, 'index.html').as_uri()}#/job/reporting")
            drawn = tab.picture()
    text = _MADE_OF + templates_digest().encode()
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return drawn[:33] + chunk + drawn[33:]  # behind the signature and the header


def _milliseconds() -> int:
    return int(datetime.fromisoformat(_MOMENT.replace("Z", "+00:00")).timestamp() * 1000)


def main(arguments: list[str]) -> int:
    """Writes the pictures; with `--check` it only compares."""
    stale = []
    for name in SCENES:
        shown, printed = record(name)
        if printed != recorded(name):
            stale.append(f"{name}.svg")
            if "--check" not in arguments:
                (IMAGES / f"{name}.svg").write_text(picture(name, shown, printed), encoding="utf-8")
    if recorded_digest() != templates_digest():
        stale.append(CATALOGUE.name)
        if "--check" not in arguments:
            CATALOGUE.write_bytes(catalogue_picture())
    for name in stale:
        print(f"docs/images/{name} {'is stale' if '--check' in arguments else 'written'}")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
