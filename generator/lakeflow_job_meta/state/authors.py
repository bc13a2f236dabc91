"""Who changed the metadata: the users of the versions of its tables, and the commit of the repository of its files.

For the history: it is looked up when an entry is written, and never where nothing has changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lakeflow_job_meta._internal.git import ask_git
from lakeflow_job_meta.config.model import BUNDLE_FILES, PROJECT_FILE, TABLE_KINDS, Project
from lakeflow_job_meta.errors import LakeflowJobMetaError
from lakeflow_job_meta.sources.open import open_table_source
from lakeflow_job_meta.tables.schema import ANY_TABLE
from lakeflow_job_meta.tables.store import version_in
from lakeflow_job_meta.workspace.client import Workspace

MOST_VERSIONS = 100
"""Of one table, so many of the newest versions are asked for their users."""

_MOST_USERS = 20
_GLOB = re.compile(r"[*?\[]")


def changed_by(
    project: Project, before: Mapping[str, str], now: Mapping[str, str], workspace: Workspace | None = None
) -> str:
    """Returns the users who wrote the tables of metadata between two states of them, the newest first.

    Args:
        project: The project.
        before: The fingerprints of its sources that were deployed last, by source; of a new one all versions count.
        now: Those of today. Of a source whose fingerprint is the same, nothing is asked.
        workspace: Where the tables are.

    Returns:
        Names with commas between them, and `...` at the end where there may be more; nothing where no table changed, or
        the tables do not record users. Where a table does not tell, it says why.
    """
    users: list[str] = []
    is_all = True
    for source in project.metadata:
        if source.kind not in TABLE_KINDS or before.get(source.location) == now.get(source.location):
            continue
        first, last = (version_in(tokens.get(source.location, "")) for tokens in (before, now))
        if last is None:  # a view, or another table without versions
            continue
        # A smaller number is of a table that was dropped and created again.
        first = first if first is not None and first < last else -1
        try:
            table = open_table_source(source, project.folder, ANY_TABLE, workspace=workspace)
            commits = table.history(MOST_VERSIONS)
        except LakeflowJobMetaError as error:
            users.append(f"not known ({str(error)[:200]})")
            continue
        written = [each for each in commits if first < each.version <= last]
        users += [each.user for each in written if each.user and each.changes_rows]
        is_all = is_all and bool(written) and written[-1].version == first + 1
    distinct = list(dict.fromkeys(users))
    is_all = is_all and len(distinct) <= _MOST_USERS
    return ", ".join([*distinct[:_MOST_USERS], *(() if is_all or not distinct else ("...",))])


def git_commit(project: Project) -> str:
    """Returns the commit that the files of the metadata are of, with `-dirty` where they differ from it.

    Nothing where they are in no git repository, or it has no commit yet. What else is in the repository does not count,
    such as generated files, which a monitor writes itself.
    """
    head, _ = ask_git(project.folder, "rev-parse", "--verify", "HEAD")
    if head is None:
        return ""
    changed, _ = ask_git(project.folder, "status", "--porcelain", "--untracked-files=all", "--", *_paths(project))
    return f"{head.decode().strip()}{'-dirty' if changed is None or changed.strip() else ''}"


def _paths(project: Project) -> Iterator[str]:
    """Yields where the files of the metadata are, as git names paths; those outside of the project are left out."""
    yield from (f":(literal){name}" for name in (PROJECT_FILE, *BUNDLE_FILES))
    for source in project.metadata:
        location = source.location
        if source.kind in ("yaml", "csv") and not location.startswith(("/", "..")):
            yield f":({'glob' if _GLOB.search(location) else 'literal'}){location}"
