"""The lock of a deployment: a file in the workspace that names who deploys, and since when."""

from __future__ import annotations

import json

from stand_in.diagnostics import Diagnostic, Failed, failed
from stand_in.http_api import CONFLICT, Api, ApiFailure


class Lock:
    """Held from `acquire` to `release`; whoever is killed in between leaves it behind."""

    def __init__(self, api: Api, state_path: str, user: str) -> None:
        self._api = api
        self._path = f"{state_path}/deploy.lock"
        self._user = user

    def acquire(self, force: bool) -> None:
        """Takes the lock.

        Raises:
            OperationFailed: Someone has it.
        """
        from datetime import datetime, timezone
        from uuid import uuid4

        now = datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
        content = {"ID": str(uuid4()), "AcquisitionTime": now, "IsForced": force, "User": self._user}
        try:
            self._api.upload(self._path, json.dumps(content).encode(), overwrite=force)
        except ApiFailure as failure:
            if failure.status == CONFLICT:
                raise self._held() from failure
            raise failure.failed("Failed to acquire deployment lock") from failure

    def release(self) -> None:
        """Gives the lock back."""
        self._api.delete(self._path)

    def _held(self) -> Failed:
        try:
            holder = json.loads(self._api.download(self._path) or b"{}")
        except ValueError as error:
            return failed(f"Failed to acquire deployment lock: {error}")
        since = str(holder.get("AcquisitionTime", "")).replace("T", " ").replace("Z", " +0000 UTC")
        text = (
            f"deploy lock acquired by {holder.get('User')} at {since}.\n"
            "Another deployment may be in progress. Use --force-lock to override, but this may\n"
            "conflict with the other deployment if it is still active"
        )
        return Failed(_Plain("Error", f"Failed to acquire deployment lock: {text}"), Diagnostic("Error", text))


class _Plain(Diagnostic):
    """Printed without a blank line after it."""

    def __str__(self) -> str:
        return super().__str__().rstrip("\n")
