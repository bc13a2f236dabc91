"""SQL warehouses: which there are, and whether they run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from .api import ApiError, Request, Response, Route, Routes


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A SQL warehouse.

    Attributes:
        id: Sixteen hexadecimal digits on Databricks; any text here.
        name: Its name.
        state: `RUNNING`, `STARTING` or `STOPPED`.
        answers_to_start: Once a statement needs it, how many answers about statements say PENDING until it
            runs; None is a warehouse that never gets up.
    """

    id: str = "0123456789abcdef"
    name: str = "Starter Warehouse"
    state: str = "RUNNING"
    answers_to_start: int | None = 0


class Warehouses:
    """The warehouses of the workspace; replaces their states as statements wake them."""

    def __init__(self, warehouses: Iterable[Warehouse]) -> None:
        """Starts with these."""
        self._by_id = {warehouse.id: warehouse for warehouse in warehouses}

    def put(self, warehouse: Warehouse) -> None:
        """Adds a warehouse, or replaces the one of its id."""
        self._by_id[warehouse.id] = warehouse

    def remove(self, warehouse_id: str) -> None:
        """Deletes a warehouse."""
        del self._by_id[warehouse_id]

    def find(self, warehouse_id: str) -> Warehouse:
        """The warehouse of this id.

        Raises:
            ApiError: 404 for an id that no warehouse has, 400 for one that none could have.
        """
        if found := self._by_id.get(warehouse_id):
            return found
        if re.fullmatch("[0-9a-f]{16}", warehouse_id):
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"SQL warehouse {warehouse_id} does not exist.")
        raise ApiError(400, "INVALID_PARAMETER_VALUE", f"{warehouse_id} is not a valid endpoint id.")

    def is_up(self, warehouse_id: str) -> bool:
        """Whether a statement can run now; asked once for each answer about one, it starts the warehouse."""
        warehouse = self.find(warehouse_id)
        if warehouse.state == "RUNNING":
            return True
        if warehouse.answers_to_start == 0:
            self.put(replace(warehouse, state="RUNNING"))
            return True
        left = warehouse.answers_to_start
        self.put(replace(warehouse, state="STARTING", answers_to_start=None if left is None else left - 1))
        return False

    def routes(self) -> Routes:
        """List and get; and the runtimes of clusters, which DQX asks for to see that the workspace answers."""
        return (
            Route.of("GET", "/api/2.1/clusters/spark-versions", self._runtimes),
            Route.of("GET", "/api/2.0/sql/warehouses", self._list),
            Route.of("GET", "/api/2.0/sql/warehouses/(?P<id>[^/]+)", self._get),
        )

    def _runtimes(self, request: Request) -> Response:
        return Response.of_json({"versions": [{"key": "16.4.x-scala2.12", "name": "16.4 LTS (Scala 2.12)"}]})

    def _list(self, request: Request) -> Response:
        return Response.of_json({"warehouses": [_described(found) for found in self._by_id.values()]})

    def _get(self, request: Request) -> Response:
        return Response.of_json(_described(self.find(request.groups["id"])))


def _described(warehouse: Warehouse) -> dict[str, object]:
    return {
        "id": warehouse.id,
        "name": warehouse.name,
        "state": warehouse.state,
        "cluster_size": "2X-Small",
        "warehouse_type": "PRO",
        "enable_serverless_compute": True,
        "auto_stop_mins": 10,
    }
