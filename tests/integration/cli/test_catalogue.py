"""`ljm catalogue`: what the page says, that its bytes depend on the metadata alone, and what it never touches."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

import lakeflow_job_meta
from support.catalogue_project import HOSTILE, METADATA, Facts, catalogue_project, record_job
from support.project_folder import ProjectFolder, module
from support.tables import ALL_COLUMNS, row, write_table

URL = "https://adb-1.azuredatabricks.net/jobs/4711"


@pytest.fixture
def shop(project):
    return catalogue_project(project)


@pytest.fixture
def page(project):
    return project.path / "site" / "index.html"


def made(project: ProjectFolder, *arguments: str) -> Facts:
    site = project.path / "site"
    result = project.ljm("catalogue", "-o", str(site), *arguments)
    assert result.exit_code == 0, result.stderr
    return Facts(site / "index.html")


class TestFacts:
    def test_each_setting_of_a_task_has_its_value_and_where_it_is_written(self, shop):
        lines = METADATA.split("\n")
        at = {name: 1 + next(n for n, line in enumerate(lines) if name in line) for name in ("/load", "max_retries: 3")}

        facts = made(shop)

        settings = facts.settings("orders", "load")
        assert settings["notebook_task.notebook_path"] == ("/Workspace/load", f"metadata/shop.yml:{at['/load']}")
        assert settings["max_retries"] == ("3", f"metadata/shop.yml:{at['max_retries: 3']}")
        assert facts.settings("mart", "build")["max_retries"] == ("1", "job_meta.yml:2")

    def test_of_a_control_table_the_row_and_the_column_are_where_something_is_written(self, project):
        write_table(project.path / "control", [row(), row("b", execution_order=2)])
        project.write("job_meta.yml", "metadata: [{delta: control}]\n")

        facts = made(project)

        (name,) = facts.jobs
        ((_, place),) = {
            each for key, each in facts.settings(name, "b").items() if key == "notebook_task.notebook_path"
        }
        assert place.startswith("control[")
        assert place.endswith("source_id=b].transformation_config")

    def test_a_job_has_its_owner_tags_targets_and_what_starts_it(self, shop):
        facts = made(shop)
        job = facts.jobs["orders"]
        assert facts.of(job, "owner") == "ada"
        assert facts.of(job, "tags") == ["owner", "ada", "domain", "sales"]
        assert facts.of(job, "targets") == ["dev", "prod"]
        assert facts.of(job, "off") == ["unused"]
        assert facts.data["starts"][job["starts"]]["schedule"]["timezone_id"] == "Europe/Berlin"

    def test_the_owner_is_the_column_of_the_table_where_a_preset_or_policy_reads_it(self, project):
        columns = {**ALL_COLUMNS, "owner": ALL_COLUMNS["module_name"]}
        tagged = json.dumps({"tags": {"owner": "tagged"}})
        write_table(project.path / "control", [{**row(), "job_config": tagged, "owner": "of the column"}], columns)
        policy = "{policy: p, require: name, where: {column.owner: of the column}}"
        project.write("job_meta.yml", f"metadata: [{{delta: control}}]\npolicies: [{policy}]\n")
        facts = made(project)
        assert [facts.of(job, "owner") for job in facts.jobs.values()] == ["of the column"]

    def test_tasks_have_kinds_checks_sql_and_what_they_wait_for(self, shop):
        facts = made(shop)
        checking = facts.task("orders", "load_quality")
        assert facts.of(checking, "kind") == "check"
        assert checking["checks"] == [["has_id", "is_not_null(column: id)", 1]]
        assert "SELECT 42 AS answer" in facts.of(facts.task("orders", "tell"), "sql")
        keys = [facts.texts[task["key"]] for task in facts.jobs["orders"]["tasks"]]
        assert facts.task("orders", "tell")["waits"] == [[keys.index("is_new"), "true"]]

    def test_jobs_are_linked_by_what_runs_them_and_what_they_wait_for(self, shop):
        facts = made(shop)
        names = [*facts.jobs]
        assert [names[n] for n in facts.jobs["run_all"]["runs"]] == ["orders", "mart"]
        assert [names[n] for n in facts.jobs["mart"]["after"]] == ["orders"]
        assert facts.of(facts.jobs["mart"], "waits") == ["main.silver.orders"]

    def test_tasks_have_the_tables_that_they_write_read_and_check(self, shop):
        facts = made(shop)
        used = {
            (job, key): (facts.of(facts.task(job, key), "writes"), facts.of(facts.task(job, key), "reads"))
            for job, key in (("orders", "load"), ("orders", "load_quality"), ("orders", "tell"), ("mart", "build"))
        }
        assert used == {
            ("orders", "load"): (["main.silver.orders"], ["main.landing.orders"]),
            ("orders", "load_quality"): (["main.silver.orders_bad"], ["main.silver.orders"]),
            ("orders", "tell"): (None, None),
            ("mart", "build"): (["main.gold.mart"], ["MAIN.silver.`orders`"]),
        }

    def test_a_policy_that_a_job_need_not_follow_is_there_with_its_last_day(self, shop):
        facts = made(shop)
        exempt = {
            name: [(facts.texts[policy], until) for policy, until in job.get("exempt", [])]
            for name, job in facts.jobs.items()
        }
        assert exempt["orders"] == [("timeouts", "2099-12-31")]
        assert exempt["mart"] == [("timeouts", "2098-12-31")]

    def test_what_is_not_the_same_in_all_targets_is_listed_and_gone_with_a_target(self, shop):
        facts = made(shop)
        (differs,) = facts.jobs["mart"]["differs"]
        assert [
            facts.texts[differs[0]],
            *([facts.texts[n] if n is not None else None for n in each] for each in differs[1:]),
        ] == [
            "timeout_seconds",
            ["dev", None],
            ["prod", "7200"],
        ]
        assert made(shop, "-t", "prod").settings("mart")["timeout_seconds"][0] == "7200"
        assert "timeout_seconds" not in made(shop, "-t", "dev").settings("mart")

    def test_ids_and_urls_come_from_the_record_of_the_target_alone(self, shop):
        record_job(shop, "prod", "orders", URL)
        assert "job" not in made(shop).jobs["orders"]
        assert "job" not in made(shop, "-t", "dev").jobs["orders"]
        facts = made(shop, "-t", "prod")
        assert facts.jobs["orders"]["job"] == ["4711", URL]
        assert "job" not in facts.jobs["mart"]

    def test_a_job_that_is_left_out_of_the_target_is_not_there(self, shop):
        shop.write("metadata/dev.yml", module("only_dev").replace("    sources:", "    targets: [dev]\n    sources:"))
        assert "only_dev" in made(shop, "-t", "dev").jobs
        assert "only_dev" not in made(shop, "-t", "prod").jobs

    def test_jobs_whose_tasks_wait_in_the_same_way_share_one_layout(self, project):
        for name in "abc":
            project.write(f"metadata/{name}.yml", module(name))
        assert made(project).data["layouts"] == [[0, 0]]


class TestPage:
    def test_nothing_of_the_metadata_can_end_the_element_that_holds_it_or_turn_the_text(self, shop, page):
        facts = made(shop)
        text = page.read_text("utf-8")
        assert facts.of(facts.jobs["orders"], "about") == HOSTILE
        assert [sign for sign in ("\u202e", "\u2028", "<img", "<!--") if sign in text] == []
        assert text.count("</script>") == 2

    def test_has_no_address_of_another_place(self, shop, page):
        made(shop)
        text = page.read_text("utf-8")
        addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s]+)""", text.partition('id="data"')[0])
        assert [each for each in addresses if not each.startswith(("#", "data:"))] == []
        assert "content=\"default-src 'none';" in text

    def test_the_same_metadata_gives_the_same_bytes_whatever_the_seed_of_hashes_and_the_folder_are(self, shop, page):
        made(shop)
        first = page.read_bytes()
        elsewhere = ProjectFolder(shop.path.parent / "elsewhere")
        shutil.copytree(
            shop.path, elsewhere.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".lakeflow*", "site")
        )
        for seed in ("1", "2"):
            environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"}
            command = [sys.executable, "-m", "lakeflow_job_meta", "catalogue", "-o", "site"]
            subprocess.run(command, cwd=elsewhere.path, env=environment, check=True, capture_output=True)
            assert (elsewhere.path / "site/index.html").read_bytes() == first

    def test_python_writes_the_same_page(self, shop, page):
        made(shop)
        first = page.read_bytes()
        page.unlink()
        path = lakeflow_job_meta.write_catalogue(lakeflow_job_meta.load_project(shop.path), page.parent)
        assert (path, page.read_bytes()) == (page, first)


class TestWriting:
    def test_a_name_that_ends_in_html_is_the_file(self, shop):
        path = shop.path / "deep" / "jobs.html"
        assert shop.ljm("catalogue", "-o", str(path)).exit_code == 0
        assert path.read_bytes().startswith(b"<!doctype html>")

    def test_check_writes_nothing_and_fails_until_the_page_is_what_the_metadata_says(self, shop, page):
        missing = shop.ljm("catalogue", "-o", str(page.parent), "--check")
        assert (missing.exit_code, page.exists()) == (1, False)
        assert f"'{page}' is not what the metadata says; write it with" in missing.stderr
        made(shop)
        before = page.stat().st_mtime_ns
        assert shop.ljm("catalogue", "-o", str(page.parent), "--check").exit_code == 0
        shop.write("metadata/more.yml", module("more"))
        assert shop.ljm("catalogue", "-o", str(page.parent), "--check").exit_code == 1
        assert page.stat().st_mtime_ns == before

    def test_a_page_that_is_right_is_not_written_again(self, shop, page):
        made(shop)
        before = page.stat().st_mtime_ns
        again = shop.ljm("catalogue", "-o", str(page.parent))
        assert again.stdout.startswith("same ")
        assert page.stat().st_mtime_ns == before

    def test_a_file_that_is_no_catalogue_is_never_overwritten(self, shop, page):
        page.parent.mkdir()
        page.write_text("<h1>Our own page</h1>", encoding="utf-8")
        result = shop.ljm("catalogue", "-o", str(page.parent))
        assert result.exit_code == 2
        assert result.stderr.endswith(
            "is no catalogue and stays as it is. Choose another folder, or remove the file.\n"
        )
        assert page.read_text("utf-8") == "<h1>Our own page</h1>"

    @pytest.mark.parametrize(
        ("blocked", "said"), [("site", "read: Not a directory"), ("site/index.html", "read: Is a directory")]
    )
    def test_a_place_that_cannot_be_written_is_one_sentence(self, shop, blocked, said):
        if blocked == "site":
            shop.write("site", "a file in the place of the folder\n")
        else:
            (shop.path / blocked).mkdir(parents=True)
        result = shop.ljm("catalogue", "-o", str(shop.path / "site"))
        assert result.exit_code == 1
        assert [line for line in result.stderr.splitlines() if "[policy" not in line] == [
            f"error: '{shop.path / 'site/index.html'}' cannot be {said}."
        ]

    def test_a_module_with_an_error_is_reported_and_listed_and_the_others_are_shown(self, shop, page):
        shop.write("metadata/bad.yml", module("bad").replace("notebook_path", "notebok_path"))
        result = shop.ljm("catalogue", "-o", str(page.parent))
        facts = Facts(page)
        assert result.exit_code == 1
        assert result.codes
        assert "bad" not in facts.jobs
        assert "orders" in facts.jobs
        assert {"bad"} == {problem["module"] for problem in facts.data["problems"] if problem["severity"] == "error"}

    def test_a_target_that_is_not_there_and_an_address_that_is_none_are_wrong_usage(self, shop, page):
        unknown = shop.ljm("catalogue", "-o", str(page.parent), "-t", "prd")
        assert (unknown.exit_code, "did you mean 'prod'?" in unknown.stderr) == (2, True)
        for address in ("javascript:alert(1)", "file:///etc", "https:", "github.com/a"):
            assert shop.ljm("catalogue", "-o", str(page.parent), "--source-url", address).exit_code == 2
        assert not page.exists()

    def test_a_project_without_any_job_has_a_page_too(self, project, page):
        project.write("job_meta.yml", "metadata: [{yaml: metadata}]\n")
        project.write("metadata/none.yml", "modules: []\n")
        project.ljm("catalogue", "-o", str(page.parent))
        assert Facts(page).jobs == {}
