"""Whatever the SDK raises becomes one of our own errors: there is no list of what it may be."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.workspace.client import AnswerLost, Workspace, workspace_errors


def workspace() -> Workspace:
    config = SimpleNamespace(host="https://example.com", retry_timeout_seconds=1)
    return Workspace(lambda: SimpleNamespace(config=config))  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(
    "error",
    [
        AttributeError("'str' object has no attribute 'get'"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        KeyError("statement_id"),
        LookupError("unknown encoding"),
        AssertionError(),
        Exception("of tomorrow\nwith more lines"),
    ],
)
def test_an_answer_that_the_sdk_stumbles_over_is_one_that_is_not_understood(error):
    with (
        pytest.raises(AnswerLost, match="answers something that is not understood") as raised,
        workspace_errors(workspace()),
    ):
        raise error
    assert type(error).__name__ in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_error_of_our_own_stays_what_it_is():
    with pytest.raises(ConfigError, match="mine"), workspace_errors(workspace()):
        raise ConfigError("mine")
    with pytest.raises(OperationFailed, match=r"^mine$"), workspace_errors(workspace()):
        raise OperationFailed("mine")
