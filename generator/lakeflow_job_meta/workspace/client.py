"""The connection to a Databricks workspace: a client with sensible limits, and its errors as sentences.

databricks-sdk takes seconds to import and waits for minutes by default; here it is imported with the first call, and
gives up within limits that a person at a terminal accepts. No token is ever in a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from lakeflow_job_meta._internal.secrets import without_login, without_secrets
from lakeflow_job_meta._internal.text import foreign_message
from lakeflow_job_meta.errors import ConfigError, LakeflowJobMetaError, OperationFailed

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

RETRY_SECONDS = 30
"""How long one call is tried again, if the workspace is down or busy; connecting may take as long once more."""

ANSWER_SECONDS = 75
"""How long one answer may take; longer than a statement's own wait, or a slow one would be sent twice."""


class Workspace:
    """A workspace, connected to when it is first needed.

    Args:
        make_client: Creates the client; the default takes host and login from the environment, as the CLI does.

    Attributes:
        client: Returns the client, always the same; raises ConfigError where there is no login, or no SDK.
        is_of_environment: Whether it is the one that the environment names.
    """

    def __init__(self, make_client: Callable[[], WorkspaceClient] | None = None) -> None:
        self.client: Callable[[], WorkspaceClient] = cache(make_client or _default_client)
        self.is_of_environment = make_client is None

    @classmethod
    def of_profile(cls, name: str) -> Workspace:
        """Returns the workspace of a profile in the configuration file of the databricks CLI."""
        return cls(lambda: _default_client(name))

    @property
    def host(self) -> str:
        """The workspace's address, for messages and links."""
        return without_login(str(self.client().config.host))


def _default_client(profile: str | None = None) -> WorkspaceClient:
    try:
        from databricks.sdk import WorkspaceClient
        from databricks.sdk.core import Config
    except ImportError:
        raise ConfigError(
            "Tables and volumes of a workspace need the extra 'databricks': pip install 'lakeflow-job-meta[databricks]'"
        ) from None
    try:
        return WorkspaceClient(
            config=Config(
                profile=profile,
                product="lakeflow-job-meta",
                retry_timeout_seconds=RETRY_SECONDS,
                http_timeout_seconds=ANSWER_SECONDS,
                # The newer client tries cloud storage first and falls back in silence; one plain request is enough.
                disable_experimental_files_api_client=True,
            )
        )
    except Exception as error:  # of the SDK's many ways to log in
        raise ConfigError(
            f"No login to Databricks: {_clean(error)} Set DATABRICKS_HOST and DATABRICKS_TOKEN, or a profile with "
            "DATABRICKS_CONFIG_PROFILE."
        ) from None


@contextmanager
def workspace_errors(workspace: Workspace) -> Iterator[None]:
    """Turns what the SDK raises into one sentence each.

    Raises:
        AnswerLost: It cannot be reached, is busy, failed, or answers something that the API does not document; what was
            asked for may have been done all the same.
        ResourceMissing: It does not have what was asked for.
        OperationFailed: It refuses.
    """
    client = workspace.client()
    from databricks.sdk.errors.base import DatabricksError
    from databricks.sdk.errors.platform import (
        BadRequest,
        NotFound,
        NotImplemented,
        PermissionDenied,
        ResourceConflict,
        Unauthenticated,
    )
    from requests.exceptions import JSONDecodeError, RequestException

    host = workspace.host
    try:
        yield
    except Unauthenticated as error:
        raise OperationFailed(
            f"{host} does not accept the login: {_clean(error)} Renew the token or the profile."
        ) from None
    except PermissionDenied as error:
        raise OperationFailed(f"{host} refuses: {_clean(error)} Ask for the permission, or check the login.") from None
    except NotFound as error:
        raise ResourceMissing(f"{host} does not have it: {_clean(error)}") from None
    except DatabricksError as error:
        kind = OperationFailed if isinstance(error, (BadRequest, NotImplemented, ResourceConflict)) else AnswerLost
        raise kind(f"{host} answered with an error: {_clean(error)}") from None
    except JSONDecodeError:
        raise not_understood(host, "no JSON") from None
    except (TimeoutError, RequestException, RuntimeError) as error:
        raise AnswerLost(
            f"{host} could not be reached within {client.config.retry_timeout_seconds or RETRY_SECONDS} seconds "
            f"({type(error.__cause__ or error).__name__}). Check the address, the network and the proxy."
        ) from None
    except LakeflowJobMetaError:
        raise
    except Exception as error:  # the SDK builds its objects from whatever it is answered
        raise not_understood(host, f"{type(error).__name__}: {_clean(error)}") from error


class ResourceMissing(OperationFailed):
    """Something is not in the workspace."""


class AnswerLost(OperationFailed):
    """A request got no answer, or none that says whether it was carried out: that has to be looked up."""


def not_understood(host: str, what: str) -> AnswerLost:
    """Returns the exception for an answer that is not of the form that the API documents."""
    return AnswerLost(
        f"{host} answers something that is not understood ({what}). Is the address that of a workspace, and is there "
        "no proxy or login page in between?"
    )


def _clean(error: Exception) -> str:
    """Returns an error's text without the SDK's list of its configuration, on one line and cut."""
    said = foreign_message(without_secrets(str(error)), 4000)
    text = re.split(r"\.?\s*(?:Config: |host=)", said)[0][:400].rstrip(". ")
    return f"{text}." if text else f"{type(error).__name__}."
