"""Which files the databricks CLI passes over when it uploads a bundle: `.gitignore` files as the CLI reads them.

The CLI matches patterns by regular expressions of its own (the Go package sabhiram/go-gitignore), which differ from
git's: `?` is a plain character, and a pattern with a slash in the middle holds in every folder. Source: libs/git of
the CLI. Reads files, and changes nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from lakeflow_job_meta._internal.fs import read_file

_ALWAYS = (".git", ".databricks")
"""What is never uploaded, whatever the files say."""


def path_below(folder: str, path: str) -> str | None:
    """Returns a path as one relative to a folder; None if it is outside. Plain text, for there are thousands."""
    start = folder.rstrip(os.sep) + os.sep
    return path[len(start) :].replace(os.sep, "/") if path.startswith(start) else None


def _expression(line: str) -> re.Pattern[str] | None:
    """Returns what a pattern matches; it also matches everything below, as if that were named."""
    if re.search(r"[^/+]/.*\*\.", line) and line[0] != "/":
        line = f"/{line}"
    text = line.replace(".", r"\.").removeprefix("/" if line.startswith("/**/") else "")
    for glob, meaning in (("/**/", "(/|/.+/)"), ("**/", "(|.\0/)"), ("/**", "(|/.\0)"), (r"\*", "\\\0")):
        text = text.replace(glob, meaning)
    text = text.replace("?", r"\?")
    if "[" not in text:
        text = _without_choices(text)
    text = text.replace("*", "([^/]*)").replace("\0", "*")
    start = "(|/)" if text.startswith("/") else "(|.*/)"
    try:
        return _compiled_text(f"{start}{text.removeprefix('/')}{'.*' if text.endswith('/') else '(|/.*)'}")
    except (re.error, OverflowError, RecursionError):
        return None  # the CLI leaves out what is no expression, too


def _without_choices(text: str) -> str:
    """Returns an expression that matches the same; with many stars, trying all that each may stand for never ends.

    What stands between two stars may be taken where it comes first.
    """
    text = re.sub(r"\*{2,}", "*", text)
    if not hasattr(re, "NOFLAG"):
        return text  # before Python 3.11 there is no way to say it
    return re.sub(r"\*((?:\\\.|[\w -])+)(?=\*)", r"(?>[^/]\0?\1)", text)


def _compiled_text(text: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        # Python warns of brackets in brackets, which may mean something else one day; for the CLI they are characters.
        warnings.simplefilter("ignore", FutureWarning)
        return re.compile(text)


@dataclass(frozen=True, slots=True)
class IgnorePatterns:
    """The patterns of one file, or of a setting such as `sync.exclude`, in order: the last one that matches counts."""

    lines: tuple[str, ...]

    def deciding(self, path: str) -> str:
        """Returns the pattern by which a path is among those meant; empty if it is not."""
        any_of_them, found = _compiled(self.lines), ""
        if any_of_them.quick is None or not any_of_them.quick.fullmatch(path):
            return ""
        for line, pattern in any_of_them.patterns:
            negated = line.startswith("!")
            if (not negated or found) and pattern.fullmatch(path):
                found = "" if negated else line
        return found

    @property
    def takes_back(self) -> bool:
        return _compiled(self.lines).takes_back


class _Compiled(NamedTuple):
    """Patterns with their expressions; `quick` matches what any of them does, for most paths match none."""

    patterns: tuple[tuple[str, re.Pattern[str]], ...]
    quick: re.Pattern[str] | None
    takes_back: bool


@lru_cache(maxsize=1000)
def _compiled(lines: tuple[str, ...]) -> _Compiled:
    texts = (each.rstrip("\r").strip(" ") for each in lines if not each.startswith("#"))
    bare = ((line, re.sub("^[#!]", "", line.removeprefix("!"))) for line in texts)
    found = tuple((line, pattern) for line, text in bare if text and (pattern := _expression(text)) is not None)
    quick = "|".join(f"(?:{pattern.pattern})" for line, pattern in found if not line.startswith("!"))
    return _Compiled(found, _compiled_text(quick) if quick else None, any(line.startswith("!") for line, _ in found))


@dataclass(frozen=True, slots=True)
class IgnoreFiles:
    """The files that say what is passed over in a folder: those of the folders above it, and of this machine.

    Attributes:
        root: The git worktree, or the folder that is uploaded where there is none; absolute.
        files: The label of each, the folder that it is about, relative to the root, and its patterns.
    """

    root: str
    files: tuple[tuple[str, str, IgnorePatterns], ...]

    @property
    def digest(self) -> str:
        """Changes with every change of what is passed over; empty where nothing is."""
        return hashlib.sha256(repr(self).encode("utf-8", "surrogatepass")).hexdigest()[:16] if self.files else ""

    def deciding(self, path: str, start: str) -> tuple[str, str] | None:
        """Returns the label of the file and the pattern by which a file is passed over, both paths absolute.

        The CLI goes down from `start`, and into no folder that is passed over.
        """
        inside = path_below(self.root, path)
        if inside is None:
            return None
        steps = inside.split("/")
        if any(step in _ALWAYS for step in steps):
            return "the databricks CLI", "/".join(_ALWAYS)
        above = len((path_below(self.root, start) or "").split("/"))
        folders = ["/".join(steps[:end]) for end in range(max(above, 1), len(steps))]
        for label, folder, patterns in self.files:
            # A pattern matches all that is below, so that folders only matter where files are taken back.
            asked = [*(each for name in folders for each in (name, f"{name}/")), inside]
            for name in asked if patterns.takes_back else [inside]:
                own = name.removeprefix(f"{folder}/") if folder else name
                if (own != name or not folder) and own and (found := patterns.deciding(own)):
                    return label, found
        return None


def ignore_files(folder: Path, top: Path) -> IgnoreFiles:
    """Reads what holds in a folder; `top` is the folder that is uploaded. What cannot be read counts as empty."""
    root = next((str(each) for each in (top, *top.parents) if (each / ".git").exists()), None)
    found = [("", path) for path in _files_of_the_machine(Path(root) if root else None)]
    base = Path(root or top)
    if folder.is_relative_to(base):
        steps = folder.relative_to(base).parts
        found += [("/".join(steps[:n]), str(base.joinpath(*steps[:n], ".gitignore"))) for n in range(len(steps) + 1)]
    read = ((name, path, _patterns(path)) for name, path in found)
    known = ((name, path, patterns) for name, path, patterns in read if patterns is not None)
    return IgnoreFiles(str(base), tuple((_label(path, base, top), name, patterns) for name, path, patterns in known))


def _label(path: str, base: Path, top: Path) -> str:
    return os.path.relpath(path, top).replace(os.sep, "/") if path.startswith(f"{base}{os.sep}") else path


def _patterns(path: str) -> IgnorePatterns | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - thousands of folders are asked
        return _read(path, status.st_mtime_ns, status.st_size)
    except OSError:
        return None


@lru_cache(maxsize=1000)
def _read(path: str, modified: int, size: int) -> IgnorePatterns:
    return IgnorePatterns(tuple(read_file(path).decode("utf-8", "surrogateescape").split("\n")))


def _files_of_the_machine(root: Path | None) -> Iterator[str]:
    """Yields the user's own file for all repositories, and the one inside `.git`, which a linked worktree shares."""
    home = Path(os.environ.get("HOME") or os.environ.get("USERPROFILE") or "/")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    git = _git_folder(root) if root else None
    named = ""
    for file in (config / "git/config", home / ".gitconfig", *([git / "config"] if git else [])):
        sections = re.findall(r"(?ims)^\s*\[core\](.*?)(?=^\s*\[|\Z)", _text(file))
        for found in re.findall(r"(?im)^\s*excludesfile\s*=\s*\"?([^\"\r\n]+?)\"?\s*$", "\n".join(sections)):
            named = str(home / found[2:]) if found.startswith("~/") else found
    yield named or str(config / "git/ignore")
    if git:
        yield str(git / "info/exclude")


def _git_folder(root: Path) -> Path:
    link = re.fullmatch(r"gitdir: (.+)\n?", _text(root / ".git"))
    folder = root / link.group(1) if link else root / ".git"
    return folder / _text(folder / "commondir").strip() if link else folder


def _text(path: Path) -> str:
    patterns = _patterns(str(path)) if path.is_file() else None
    return "\n".join(patterns.lines) if patterns else ""
