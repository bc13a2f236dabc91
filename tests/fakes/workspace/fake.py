"""The fake workspace as tests use it: everything behind one context manager."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, cast

from .api import Routes
from .clock import SleeplessClock
from .dashboards import Dashboards
from .engine import Engine, table_name
from .faults import Faults
from .files import Files
from .identity import Identity
from .jobs import Jobs
from .links import SignedLinks
from .server import Application, LoggedRequest, LoopbackServer
from .statements import Statements
from .tree import Tree
from .warehouses import Warehouse, Warehouses

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.clock import Clock


class _Part(Protocol):
    def routes(self) -> Routes: ...


class FakeWorkspace:
    """A Databricks workspace on loopback, for the real SDK; see the package's docstring.

    Attributes:
        url: The host, e.g. `http://127.0.0.1:40123`.
        faults: What goes wrong, and when.
        identity: The user and the token.
        warehouses: The SQL warehouses.
        engine: SQL over the tables; `engine.tables.denied` takes privileges away.
        statements: The SQL Statement Execution API.
        files: The volumes.
        jobs: The jobs, their runs and permissions.
        tree: The files and folders below `/Workspace`.
        dashboards: The AI/BI dashboards.
        links: Signed links to results and files.
        unsupported: What the fake was asked and does not know. Unless a test clears it, leaving raises.
    """

    def __init__(self, root: Path, warehouses: Iterable[Warehouse] = (Warehouse(),)) -> None:
        """Makes a workspace with its tables and volumes in folders of `root`; it serves once entered.

        Args:
            root: A folder, as a rule the `tmp_path` of a test.
            warehouses: The SQL warehouses; the first is the default one of tests.
        """
        for folder in ("tables", "volumes"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        given = tuple(warehouses)
        self.warehouse_id = given[0].id if given else ""
        self.faults = Faults()
        self.identity = Identity()
        self.links = SignedLinks()
        self.warehouses = Warehouses(given)
        self.engine = Engine(root / "tables", self.identity.user_name, self.identity.user_id)
        self.statements = Statements(self.engine, self.warehouses, self.links)
        self.files = Files(root / "volumes", self.links)
        self.jobs = Jobs(self.identity)
        self.tree = Tree(self.identity.user_name)
        self.dashboards = Dashboards()
        self._application = Application(self.identity.check, self.faults)
        for part in self._parts():
            self._application.routes.extend(part.routes())
        self._server = LoopbackServer(self._application)
        self.url = self.links.base_url = self.jobs.base_url = self._server.url

    def __enter__(self) -> FakeWorkspace:
        """Starts to serve."""
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends all threads and connections.

        Raises:
            AssertionError: The fake was asked something it does not know (and no other error is on its way).
        """
        self._server.stop()
        if self.unsupported and kind is None:
            raise AssertionError("The fake workspace has to learn this:\n" + "\n".join(self.unsupported))

    def _parts(self) -> Iterable[_Part]:
        return (
            self.identity,
            self.warehouses,
            self.statements,
            self.files,
            self.links,
            self.jobs,
            self.tree,
            self.dashboards,
        )

    @property
    def token(self) -> str:
        """The token that is accepted."""
        return self.identity.token

    @property
    def requests(self) -> list[LoggedRequest]:
        """All requests since the start (or since the test cleared the list), in the order they came."""
        return self._application.requests

    @property
    def unsupported(self) -> list[str]:
        """What the fake was asked and does not know."""
        return self._application.unsupported

    def calls(self, method: str = "*", path: str = "*", body_contains: str = "") -> list[LoggedRequest]:
        """The requests of a method, to a path (`*` is any text) and with a text in the body."""
        return [
            request
            for request in self.requests
            if method in ("*", request.method)
            and fnmatchcase(request.path, path)
            and body_contains.encode() in request.body
        ]

    def table_path(self, name: str) -> Path:
        """The folder of a Delta table, for tests that write to it behind the workspace's back.

        Args:
            name: Three parts as in SQL, e.g. ``main.`my-schema`.control``.
        """
        return self.engine.tables.folder(table_name(name))

    def kept(self) -> Any:
        """The jobs and the files below `/Workspace` as they are, for `restore`."""
        return self.jobs.kept(), self.tree.kept()

    def restore(self, kept: Any) -> None:
        """Makes jobs and files what they were; no fault waits, and no request has been made."""
        jobs, tree = kept
        self.faults.clear()
        self.jobs.restore(jobs)
        self.tree.restore(tree)
        self.requests.clear()

    def client(
        self,
        *,
        token: str | None = None,
        clock: SleeplessClock | None = None,
        retry_timeout_seconds: int = 5,
        http_timeout_seconds: float = 5,
        **settings: Any,
    ) -> WorkspaceClient:
        """A real client of the workspace.

        Args:
            token: A token other than the right one.
            clock: A clock for the pauses between attempts; without one they take their time.
            retry_timeout_seconds: How long the SDK tries again (whole seconds; it takes 0 for 300).
            http_timeout_seconds: How long it waits for one answer.
            settings: Further settings of `databricks.sdk.config.Config`.
        """
        from databricks.sdk import WorkspaceClient
        from databricks.sdk.config import Config

        config = Config(
            host=self.url,
            token=token or self.token,
            auth_type="pat",
            clock=cast("Clock | None", clock),
            retry_timeout_seconds=retry_timeout_seconds,
            http_timeout_seconds=http_timeout_seconds,
            **settings,
        )
        return WorkspaceClient(config=config)
