"""What the databricks CLI says, understood: its messages, and what kind of trouble it had."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lakeflow_job_meta.deployment.databricks_cli.client import (
    CliFailure,
    CliResult,
    explain,
)
from lakeflow_job_meta.deployment.databricks_cli.output import (
    CliDiagnostic,
    CliLocation,
    LockHolder,
    Trouble,
    diagnostics_in,
    lock_holder_in,
    trouble_in,
    with_options_explained,
)
from support.strategies import texts

STDERR = """\
Warn: [hostmetadata] failed to fetch host metadata for http://127.0.0.1:9, will skip for 1m0s
Uploading bundle files to /Workspace/Users/me/.bundle/test/dev/files...
Warning: unknown field: nope
  at resources.jobs.sales
  in resources/jobs/sales.yml:6:11

Error: cannot create resources.jobs.stock: Cluster size
must be positive (400 INVALID_PARAMETER_VALUE)

Endpoint: POST http://127.0.0.1:9/api/2.2/jobs/create
HTTP Status: 400 Bad Request

Recommendation: permissions section should explicitly include the current deployment identity
  at permissions
  in databricks.yml:3:1
     resources/jobs/odd.yml:1:2

Found 1 error
"""


class TestDiagnostics:
    def test_messages_are_taken_apart_and_everything_else_is_left_out(self):
        warning, error, recommendation = diagnostics_in(STDERR)

        assert warning == CliDiagnostic(
            "Warning",
            "unknown field: nope",
            ("resources.jobs.sales",),
            (CliLocation("resources/jobs/sales.yml", 6, 11),),
        )
        assert (error.severity, error.settings, error.locations) == ("Error", (), ())
        assert error.message.startswith("cannot create resources.jobs.stock: Cluster size must be positive")
        assert recommendation.severity == "Recommendation"
        assert recommendation.locations[0] == CliLocation("databricks.yml", 3, 1)

    def test_several_places_of_a_message_are_all_kept(self):
        (found,) = diagnostics_in("Error: multiple resources\n  at a\n  at b\n  in x.yml:1:2\n  in y z.yml:3:4\n")

        assert found.settings == ("a", "b")
        assert found.locations == (CliLocation("x.yml", 1, 2), CliLocation("y z.yml", 3, 4))

    def test_two_messages_without_a_blank_line_are_two(self):
        assert [each.message for each in diagnostics_in("Error: one\nError: two\n")] == ["one", "two"]

    @given(
        texts
        | st.lists(st.sampled_from([*STDERR.split("\n"), "  in :0:0", "  at ", "  in a:1:x", "\x0b"])).map("\n".join)
    )
    @example(f"Error: a\n  in a.yml:{'9' * 5000}:1")
    @example("Error: a\n  in a.yml:\u0661:\u00b2")
    def test_any_text_is_read_without_an_error(self, text):
        for each in diagnostics_in(text):
            assert each.severity in ("Error", "Warning", "Recommendation")
        assert trouble_in(text) in Trouble
        assert explain(CliFailure("bundle plan", CliResult(1, "", text))).startswith("`databricks bundle plan` failed")

    @given(
        st.lists(
            st.tuples(st.sampled_from(["Error", "Warning"]), st.text("abc é:", min_size=1).map(str.strip)), max_size=5
        )
    )
    def test_every_message_of_the_cli_is_found(self, messages):
        text = "\n".join(f"{severity}: {message}x\n  in a.yml:1:2\n" for severity, message in messages)

        assert [(each.severity, each.message) for each in diagnostics_in(text)] == [
            (severity, f"{message}x") for severity, message in messages
        ]


LOCKED = (
    "deploy lock acquired by me@example.com at 2026-11-23 08:47:52.1 +0000 UTC.\n"
    "Another deployment may be in progress. Use --force-lock to override, but this may\n"
    "conflict with the other deployment if it is still active"
)
UNAUTHORIZED = (
    "Credential was not sent or was of an unsupported type for this API. (401 401)\n\n"
    "Endpoint: GET http://127.0.0.1:9/api/2.0/preview/scim/v2/Me?\nHTTP Status: 401 Unauthorized"
)
TROUBLES = {
    "lock held": (f"Error: Failed to acquire deployment lock: {LOCKED}\nError: {LOCKED}\n", Trouble.LOCKED),
    "lock taken by force": (f"Error: {LOCKED.replace('acquired', 'force-acquired')}", Trouble.LOCKED),
    "other lineage": (
        'Error: plan lineage "a" does not match state lineage "b"; the state may have been modified by another process',
        Trouble.STALE_PLAN,
    ),
    "other serial": (
        "Error: plan serial 3 does not match state serial 4; the state has been modified since the plan was created. "
        "Please run 'bundle plan' again",
        Trouble.STALE_PLAN,
    ),
    "no login": (
        "Error: failed during request visitor: default auth: cannot configure default credentials, please check "
        "https://docs.databricks.com/en/dev-tools/auth.html to configure credentials. Config: host=https://x",
        Trouble.NOT_LOGGED_IN,
    ),
    "wrong token": (f"Error: {UNAUTHORIZED}", Trouble.NOT_LOGGED_IN),
    "no such host": (
        'Error: Get "https://nowhere.example/api/2.0/preview/scim/v2/Me": dial tcp: lookup nowhere: no such host',
        Trouble.UNREACHABLE,
    ),
    "connection refused": (
        'Error: Post "http://127.0.0.1:9/api/2.2/jobs/create": dial tcp 127.0.0.1:9: connect: connection refused',
        Trouble.UNREACHABLE,
    ),
    "connection lost": ('Error: Post "http://127.0.0.1:9/api/2.2/jobs/create": EOF', Trouble.UNREACHABLE),
    "a refused job": (
        "Error: cannot create resources.jobs.stock: bad schedule (400 INVALID_PARAMETER_VALUE)",
        Trouble.OTHER,
    ),
    "nothing said": ("", Trouble.OTHER),
    # Names and numbers of the user's own are no reason.
    "a number": ("Error: cannot update resources.jobs.a: updating id=84012: Job 84012 does not exist", Trouble.OTHER),
    "a stale name": ("Error: cannot create resources.jobs.stale_orders: bad schedule (400 X)", Trouble.OTHER),
    "a name with eof": ("Error: cannot create resources.jobs.geofence: bad schedule (400 X)", Trouble.OTHER),
    "a lock that cannot be made": (
        "Error: Failed to acquire deployment lock: me@example.com has no permission (403 PERMISSION_DENIED)",
        Trouble.OTHER,
    ),
    "progress of another kind": (
        "Uploading bundle files to /Workspace/stale/files...\nError: bad schedule (400 X)",
        Trouble.OTHER,
    ),
}


class TestTheHolderOfALock:
    @pytest.mark.parametrize(
        ("moment", "meant"),
        [
            ("2026-11-23 08:47:52.1 +0000 UTC", datetime(2026, 11, 23, 8, 47, 52, 100_000, timezone.utc)),
            ("2026-11-23 08:47:52.123456789 +0100 CET", datetime(2026, 11, 23, 7, 47, 52, 123_456, timezone.utc)),
            ("2026-11-23 08:47:52 +0000 UTC", datetime(2026, 11, 23, 8, 47, 52, 0, timezone.utc)),
        ],
    )
    @pytest.mark.parametrize("how", ["acquired", "force-acquired"])
    def test_it_is_read_with_the_moment_as_go_prints_it(self, how, moment, meant):
        stderr = f"Error: deploy lock {how} by me@example.com at {moment}.\nAnother deployment may be in progress."
        assert lock_holder_in(stderr) == LockHolder("me@example.com", meant)

    @pytest.mark.parametrize(
        "stderr", ["", "Error: deploy lock acquired by me at noon.", LOCKED.replace("-11-", "-13-")]
    )
    def test_other_words_name_nobody(self, stderr):
        assert lock_holder_in(stderr) is None

    @given(texts)
    def test_any_text_can_be_read(self, text):
        assert lock_holder_in(text) is None


class TestOptionsOfTheCli:
    @pytest.mark.parametrize("said", ["use --force-lock to override", "a--b", "no option", "use --target prod"])
    def test_options_that_mean_the_same_here_need_no_word(self, said):
        assert with_options_explained(said) == said

    def test_others_are_said_to_be_those_of_the_cli(self):
        said = with_options_explained("use --force, or --auto-approve, or --force.")
        assert said.endswith("(--force, --auto-approve are options of the databricks CLI itself, and not of ljm.)")


class TestTrouble:
    @pytest.mark.parametrize(("stderr", "trouble"), TROUBLES.values(), ids=TROUBLES)
    def test_trouble_is_recognised_by_the_words_of_the_cli(self, stderr, trouble):
        assert trouble_in(stderr) is trouble

    @pytest.mark.parametrize(
        ("name", "advice"),
        [
            ("lock held", "--force-lock"),
            ("other serial", "run again"),
            ("wrong token", "databricks auth login"),
            ("no login", "DATABRICKS_HOST and DATABRICKS_TOKEN"),
            ("connection refused", "check its address, the network and the proxy"),
        ],
    )
    def test_trouble_with_the_cli_says_what_to_do(self, name, advice):
        text = explain(CliFailure("bundle deploy", CliResult(1, "", TROUBLES[name][0])))

        assert text.startswith("`databricks bundle deploy` failed: ")
        assert advice in text

    def test_who_holds_the_lock_is_said(self):
        assert "me@example.com at 2026-11-23" in explain(
            CliFailure("bundle deploy", CliResult(1, "", TROUBLES["lock held"][0]))
        )

    def test_one_that_said_nothing_is_told_by_its_code(self):
        assert "exit code -9" in explain(CliFailure("bundle plan", CliResult(-9, "", "")))

    def test_a_long_text_of_the_cli_is_cut(self):
        assert len(explain(CliFailure("bundle plan", CliResult(1, "", f"Error: {'x' * 100_000}")))) < 1_000
