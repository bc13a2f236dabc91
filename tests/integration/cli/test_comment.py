"""`ljm comment`: one comment on the pull request of a CI run, written once and renewed; others are left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.forge import AZURE, EVENT, GITHUB, GITLAB, Forge, running_forge
from support.git import git
from support.project_folder import ProjectFolder, Result

TOKENS = {"github": "GITHUB_TOKEN", "azure": "SYSTEM_ACCESSTOKEN", "gitlab": "GITLAB_TOKEN"}
CIS = tuple(TOKENS)


@pytest.fixture
def forge() -> Iterator[Forge]:
    with running_forge() as server:
        yield server


@pytest.fixture
def event(tmp_path: Path) -> str:
    file = tmp_path / "event.json"
    file.write_text(EVENT)
    return str(file)


@pytest.fixture
def comment(project: ProjectFolder, forge: Forge, event: str):
    """Runs the command in a CI with a text; a variable that is empty is not set."""

    def run(ci: str, text: str = "the plan\n", of: ProjectFolder = project, **variables: str) -> Result:
        of.write("plan.md", text)
        return of.inside(
            "comment", "plan.md", **{**forge.variables(ci, event), TOKENS[ci]: "secret-token", **variables}
        )

    return run


@pytest.mark.parametrize("ci", CIS)
class TestTheComment:
    def test_is_written_once_and_renewed_by_every_later_run(self, comment, forge, ci):
        first, second, third = comment(ci), comment(ci, "another plan\n"), comment(ci, "the last plan\n")

        assert [each.exit_code for each in (first, second, third)] == [0, 0, 0], first.stderr
        assert [each.stderr for each in (first, second)] == ["The comment was written.\n", "The comment was renewed.\n"]
        assert forge.texts == ["a comment of a person", "<!-- ljm comment: . -->\nthe last plan\n"]
        methods = {"github": "PATCH", "azure": "PATCH", "gitlab": "PUT"}
        assert [method for method, _ in forge.writes] == ["POST", methods[ci], methods[ci]]
        assert forge.tokens == {"secret-token" if ci == "gitlab" else "Bearer secret-token"}

    def test_is_found_behind_very_many_others(self, comment, forge, ci):
        forge.texts = [f"comment {number}" for number in range(250)]
        comment(ci)
        forge.texts += ["one more"] * 100

        comment(ci, "another\n")

        assert [at for at, text in enumerate(forge.texts) if text.endswith("another\n")] == [250]

    def test_of_each_project_of_a_repository_is_its_own(self, comment, forge, tmp_path, ci):
        git(tmp_path, "init", "-q")
        for name in ("sales", "stock & more", "sales"):
            comment(ci, f"{name}\n", of=ProjectFolder(tmp_path / "pipelines" / name))

        assert forge.texts[1:] == [
            "<!-- ljm comment: pipelines/sales -->\nsales\n",
            "<!-- ljm comment: pipelines/stock%20%26%20more -->\nstock & more\n",
        ]

    def test_of_a_person_that_quotes_ours_is_left_alone(self, comment, forge, ci):
        forge.texts = ["> <!-- ljm comment: . -->\nwhat is this?"]

        comment(ci)

        assert len(forge.texts) == 2
        assert forge.texts[0].startswith("> ")

    @pytest.mark.parametrize("status", [401, 403, 404, 302, 500, 422])
    def test_that_the_forge_refuses_is_said_in_a_sentence_without_the_token(self, comment, forge, ci, status):
        forge.answer = status, {"Location": "http://127.0.0.1:9/"}, '{"message": "the body\nis too long"}'

        result = comment(ci)

        assert (result.exit_code, result.stdout, forge.writes) == (1, "", [])
        assert f"status {status}" in result.stderr
        wanted = "may not write comments" if status in (401, 403, 404, 302) else "the body is too long"
        assert wanted in result.stderr
        assert "secret-token" not in result.stderr
        assert len(result.stderr.splitlines()) == 1

    @pytest.mark.parametrize("body", ["<html>Sign in</html>", "{}", "[1]", '{"value": [{}]}', "", "null", '"x"'])
    def test_is_not_written_where_the_answer_is_of_another_form(self, comment, forge, ci, body):
        forge.answer = 200, {}, body

        result = comment(ci)

        assert (result.exit_code, forge.writes, len(result.stderr.splitlines())) == (1, [], 1)
        assert result.stderr.startswith("error: GET http://127.0.0.1")
        assert "internal error" not in result.stderr

    def test_without_a_token_says_where_it_comes_from(self, comment, forge, ci):
        result = comment(ci, **{TOKENS[ci]: ""})

        assert (result.exit_code, forge.tokens) == (2, set())
        assert result.stderr.startswith(f"error: Without {TOKENS[ci]} no comment can be written; give it ")

    def test_in_a_run_for_no_pull_request_is_wrong_usage(self, comment, forge, tmp_path, ci):
        (tmp_path / "push.json").write_text('{"ref": "refs/heads/main"}')
        variables = {
            "github": {"GITHUB_EVENT_PATH": str(tmp_path / "push.json")},
            "azure": {"SYSTEM_PULLREQUEST_PULLREQUESTID": ""},
            "gitlab": {"CI_MERGE_REQUEST_IID": ""},
        }

        result = comment(ci, **variables[ci])

        assert (result.exit_code, forge.tokens) == (2, set())
        assert "This run is for no pull request" in result.stderr

    def test_of_a_forge_that_answers_without_end_is_a_sentence(self, comment, forge, ci):
        forge.answer = (200, {}, "[" * 100_000)

        result = comment(ci)

        assert (result.exit_code, forge.writes) == (1, [])
        assert "failed: " in result.stderr
        assert "internal error" not in result.stderr

    def test_of_a_forge_that_is_not_there_is_a_sentence(self, comment, forge, ci):
        nowhere = "http://127.0.0.1:9"
        names = {"github": "GITHUB_API_URL", "azure": "SYSTEM_COLLECTIONURI", "gitlab": "CI_API_V4_URL"}

        result = comment(ci, **{names[ci]: nowhere})

        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
        assert "Connection refused" in result.stderr


def test_each_forge_is_asked_where_it_has_its_comments(comment, forge):
    for ci in CIS:
        forge.texts.clear()
        comment(ci)

    assert [path for _, path in forge.writes] == [f"{GITHUB}/7/comments", AZURE, GITLAB]


def test_outside_of_a_ci_is_wrong_usage(project):
    project.write("plan.md", "x")

    result = project.inside("comment", "plan.md", GITHUB_ACTIONS="", TF_BUILD="", GITLAB_CI="")

    assert (result.exit_code, result.stderr) == (
        2,
        "error: This is no run of GitHub Actions, Azure Pipelines or GitLab CI for a pull request.\n",
    )


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"pull_request": 1}', '{"pull_request": {"number": "7"}}'])
def test_an_event_of_github_in_any_form_is_wrong_usage(comment, forge, tmp_path, text):
    (tmp_path / "damaged.json").write_text(text)

    result = comment("github", GITHUB_EVENT_PATH=str(tmp_path / "damaged.json"))

    assert (result.exit_code, forge.tokens) == (2, set())
    assert "internal error" not in result.stderr


def test_a_repository_of_github_in_azure_pipelines_is_refused(comment, forge):
    result = comment("azure", BUILD_REPOSITORY_PROVIDER="GitHub")

    assert (result.exit_code, forge.tokens) == (2, set())
    assert "Azure Repos alone" in result.stderr


def test_a_file_that_is_not_there_is_wrong_usage(project):
    assert project.inside("comment", "nothing.md").exit_code == 2
