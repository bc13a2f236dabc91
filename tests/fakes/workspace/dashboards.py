"""AI/BI dashboards over the Lakeview API: made, changed, published, and gone when they are deleted.

Answers are those of the databricks CLI's own test server (libs/testserver/dashboards.go in github.com/databricks/cli).
"""

from __future__ import annotations

import threading
import uuid
from typing import Any

from .api import ApiError, Request, Response, Route, Routes

_PATH = "/api/2.0/lakeview/dashboards"


class Dashboards:
    """The dashboards of the workspace, by their ids."""

    def __init__(self) -> None:
        """Starts without any."""
        self.by_id: dict[str, dict[str, Any]] = {}
        self._published: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def routes(self) -> Routes:
        """Dashboards, and what is published of them."""
        one = f"{_PATH}/(?P<id>[^/]+)"
        return (
            Route.of("POST", _PATH, self._create),
            Route.of("GET", one, self._get),
            Route.of("PATCH", one, self._update),
            Route.of("DELETE", one, self._delete),
            Route.of("POST", f"{one}/published", self._publish),
            Route.of("GET", f"{one}/published", self._get_published),
        )

    def _create(self, request: Request) -> Response:
        with self._lock:
            found = request.json()
            parent = str(found["parent_path"]).removeprefix("/Workspace")
            found.update(parent_path=parent, path=f"{parent}/{found['display_name']}.lvdash.json", etag="1")
            found.update(dashboard_id=uuid.uuid4().hex, lifecycle_state="ACTIVE")
            self.by_id[found["dashboard_id"]] = found
            return Response.of_json(found)

    def _get(self, request: Request) -> Response:
        return Response.of_json(self._found(request))

    def _update(self, request: Request) -> Response:
        with self._lock:
            found = self._found(request)
            found.update(request.json(), etag=str(int(found["etag"]) + 1))
            return Response.of_json(found)

    def _delete(self, request: Request) -> Response:
        with self._lock:
            self._found(request)["lifecycle_state"] = "TRASHED"
            return Response.of_json({})

    def _publish(self, request: Request) -> Response:
        found, said = self._found(request), request.json()
        kept = {key: said[key] for key in ("embed_credentials", "warehouse_id") if key in said}
        self._published[found["dashboard_id"]] = {"display_name": found["display_name"], **kept}
        return Response.of_json(self._published[found["dashboard_id"]])

    def _get_published(self, request: Request) -> Response:
        if (found := self._published.get(request.groups["id"])) is None:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", "Unable to find published dashboard.")
        return Response.of_json(found)

    def _found(self, request: Request) -> dict[str, Any]:
        if (found := self.by_id.get(request.groups["id"])) is None:
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Unable to find dashboard {request.groups['id']}.")
        return found
