"""The cache makes a run faster and changes nothing else: whatever is edited, a run is the same with and without it."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lakeflow_job_meta._internal.hashing import DIGEST_BYTES, content_digest
from lakeflow_job_meta.compiler.cache import cache, key
from lakeflow_job_meta.compiler.cache.codec import CacheContent, decode, encode
from lakeflow_job_meta.compiler.cache.key import cache_key
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.jobs.module_names import ModuleNames
from lakeflow_job_meta.sources import yaml_files
from support.compiling import noting_built, noting_compiled
from support.examples import examples
from support.project_folder import BUNDLE, ProjectFolder, compile_loaded, module
from support.tables import row, write_table

CACHE = ".lakeflow-job-meta/cache/results"
CHANGES = ".lakeflow-job-meta/cache/changes"
KEY = bytes(range(20))
MOST_CHANGES = cache.MOST_CHANGES


@pytest.fixture(autouse=True)
def _small_projects_have_a_cache(monkeypatch):
    monkeypatch.setattr(cache, "LEAST_MODULES", 0)


@pytest.fixture
def changes(monkeypatch) -> None:
    """However many results change, they are written beside the others."""
    monkeypatch.setattr(cache, "MOST_CHANGES", 2)


@pytest.fixture
def project(tmp_path) -> ProjectFolder:
    """Three modules that an earlier run has seen."""
    folder = ProjectFolder(tmp_path / "project")
    for name in ("sales", "stock", "store"):
        folder.write(f"metadata/{name}.yml", module(name))
    assert folder.ljm("generate").exit_code == 0
    return folder


@pytest.fixture
def compiled(monkeypatch) -> list[str]:
    """The names of the modules that are compiled from now on."""
    return noting_compiled(monkeypatch)


class Everything:
    """Whichever results there are."""

    def __contains__(self, digest: object) -> bool:
        return True


def digest(text: str) -> str:
    return content_digest(text.encode("utf-8", "surrogatepass")).hex()


def key_of(content: bytes) -> bytes:
    """The key of a cache file, which stands behind the checksum."""
    start = content.index(b"\n") + 1 + 2 * DIGEST_BYTES
    return bytes.fromhex(content[start : start + 2 * DIGEST_BYTES].decode())


def stored_in(project: ProjectFolder) -> CacheContent:
    loaded = load_project(project.path)
    key = cache_key(loaded, read_bundle_declarations(loaded))
    return decode((project.path / CACHE).read_bytes(), key, Everything())


class TestWhatIsRemembered:
    @pytest.mark.parametrize("command", [["generate"], ["generate", "--check"], ["generate", "--diff"], ["validate"]])
    def test_nothing_is_compiled_again_when_nothing_changed(self, project, compiled, command):
        before = project.everything()

        assert project.ljm(*command).exit_code == 0

        assert compiled == []
        assert project.everything() == before

    def test_only_what_changed_is_compiled(self, project, compiled):
        project.write("metadata/stock.yml", module("stock", notebook="/Workspace/new"))

        done = project.ljm("generate")

        assert done.stdout == "update resources/jobs/stock.yml\n"
        assert compiled == ["stock"]

    def test_of_a_table_only_the_module_of_the_row_that_changed(self, tmp_path, compiled):
        project = ProjectFolder(tmp_path / "project")
        project.write("job_meta.yml", "metadata: [{delta: control}]\n")
        write_table(project.path / "control", [row("a", "sales"), row("b", "sales"), row("a", "stock")])
        project.ljm("generate")
        compiled.clear()

        write_table(
            project.path / "control", [row("a", "sales"), row("b", "sales", is_active=False), row("a", "stock")]
        )

        assert project.ljm("generate").stdout == "update resources/jobs/sales.yml\n"
        assert compiled == ["sales"]

    def test_a_file_of_many_modules_is_not_even_parsed(self, project, monkeypatch):
        monkeypatch.setattr(yaml_files, "decode_yaml", None)

        assert project.ljm("generate").exit_code == 0

    def test_what_parses_builds_and_renders_is_not_even_imported(self, project):
        heavy = ("blueprints.expansion", "compiler.parallel", "compiler.unit", "jobs.build", "render.render")

        done = subprocess.run([sys.executable, "-c", IMPORTS, str(project.path)], capture_output=True, text=True)

        assert (done.returncode, done.stderr) == (0, "No problems in 3 modules.\n")
        assert {f"lakeflow_job_meta.{name}" for name in heavy}.isdisjoint(done.stdout.split())

    def test_who_asks_for_jobs_gets_them(self, project, monkeypatch):
        built = noting_built(monkeypatch)
        jobs = project.compile().jobs

        assert (list(jobs.names.items()), built) == ([(name, name) for name in ("sales", "stock", "store")], [])
        assert (jobs.get("stock").key, jobs.get("nobody"), built) == ("stock", None, ["stock"])
        assert ([job.key for job in jobs.only({"store", "sales"})], built[1:]) == (["sales", "store"],) * 2
        assert [job.key for job in jobs] == ["sales", "stock", "store"]

    @pytest.mark.parametrize("bundles", ["jobs_per_bundle: 2", "by: team"])
    def test_what_a_bundle_takes_along_is_known_without_building_jobs(self, tmp_path, compiled, bundles):
        project = ProjectFolder(tmp_path / "project")
        project.write("job_meta.yml", f"bundles: {{{bundles}}}\n")
        project.write("databricks.yml", "bundle: {name: x}\n")
        project.write("notebooks/a.py", "# Databricks notebook source\n")
        for name in ("sales", "stock", "store"):
            project.write(f"metadata/{name}.yml", module(name, notebook="notebooks/a.py"))
        assert project.ljm("generate").exit_code == 0
        before = project.everything()
        compiled.clear()

        assert project.ljm("generate").exit_code == 0

        assert compiled == []
        assert project.everything() == before

    def test_modules_that_are_gone_are_forgotten_by_the_cache(self, project):
        size = (project.path / CACHE).stat().st_size
        (project.path / "metadata/sales.yml").unlink()

        project.ljm("generate")

        assert (project.path / CACHE).stat().st_size < size

    def test_a_module_with_something_to_say_of_it_is_looked_at_every_time(self, project, compiled):
        project.write("metadata/stock.yml", module("stock", notebook="missing.py"))

        first, second = project.ljm("generate"), project.ljm("generate")

        assert first.stderr == second.stderr
        assert compiled == ["stock", "stock"]

    def test_a_project_of_few_modules_gets_no_cache(self, tmp_path, monkeypatch):
        monkeypatch.setattr(cache, "LEAST_MODULES", 2)
        project = ProjectFolder(tmp_path / "project")
        project.write("metadata/sales.yml", module("sales"))

        project.ljm("generate")

        assert not (project.path / ".lakeflow-job-meta").exists()

    def test_git_ignores_the_cache(self, project):
        assert project.read(".lakeflow-job-meta/.gitignore") == "*\n"


@pytest.mark.usefixtures("changes")
class TestChanges:
    @pytest.fixture
    def edited(self, project, compiled) -> ProjectFolder:
        """The same project, of which one module was edited since all results were written."""
        project.write("metadata/stock.yml", module("stock", notebook="/Workspace/new"))
        assert project.ljm("generate").exit_code == 0
        compiled.clear()
        return project

    def test_what_changed_is_written_beside_all_results_which_stay_as_they_are(self, project, compiled):
        before = (project.path / CACHE).read_bytes()
        project.write("metadata/stock.yml", module("stock", notebook="/Workspace/new"))

        project.ljm("generate")
        project.ljm("generate")

        assert compiled == ["stock"]
        assert (project.path / CACHE).read_bytes() == before
        assert (project.path / CHANGES).stat().st_size < len(before)

    def test_nothing_is_written_when_nothing_changed(self, edited, compiled):
        before = edited.everything()

        edited.ljm("generate")

        assert (compiled, edited.everything()) == ([], before)

    def test_a_second_change_joins_the_first(self, edited, compiled):
        edited.write("metadata/sales.yml", module("sales", notebook="/Workspace/new"))

        edited.ljm("generate")
        edited.ljm("generate")

        assert compiled == ["sales"]

    def test_a_module_that_is_as_it_was_before_needs_no_change(self, edited, compiled):
        edited.write("metadata/stock.yml", module("stock"))

        edited.ljm("generate")

        assert compiled == []

    @pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"", lambda content: content * 2])
    def test_a_damaged_change_is_compiled_again_and_nothing_else(self, edited, compiled, damage):
        path, right = edited.path / CHANGES, edited.generated()
        path.write_bytes(damage(path.read_bytes()))

        assert edited.ljm("generate").exit_code == 0

        assert (compiled, edited.generated()) == (["stock"], right)

    def test_changes_of_other_results_count_for_nothing(self, edited, compiled):
        changes = (edited.path / CHANGES).read_bytes()
        (edited.path / CACHE).unlink()
        edited.ljm("generate")
        edited.write("metadata/sales.yml", module("sales", notebook="/Workspace/new"))
        edited.ljm("generate")
        compiled.clear()
        (edited.path / CHANGES).write_bytes(changes)

        edited.ljm("generate")

        assert compiled == ["sales"]

    def test_all_is_written_when_much_has_changed(self, edited, compiled, monkeypatch):
        monkeypatch.setattr(cache, "MOST_CHANGES", 0)

        edited.ljm("generate")

        assert compiled == []
        assert len(stored_in(edited).results) == 3
        assert not (edited.path / CHANGES).exists()

    def test_a_template_counts_that_only_a_change_has_used(self, project):
        project.write("job_meta.yml", "templates: {job: mine.yml.j2}\n")
        template = (
            '{% extends "lakeflow_job_meta/job.yml.j2" %}\n{% block before_job %}\n'
            '{% if job.key == "later" %}{% include "note.j2" %}{% endif %}\n{% endblock %}\n'
        )
        project.write("mine.yml.j2", template)
        project.write("note.j2", "# note 1\n")
        assert project.ljm("generate").problems == []
        project.write("metadata/later.yml", module("later"))
        project.ljm("generate")
        assert "# note 1" in project.read("resources/jobs/later.yml")
        assert (project.path / CHANGES).exists()

        project.write("note.j2", "# note 2\n")

        assert project.ljm("generate").stdout == "update resources/jobs/later.yml\n"


class TestWhatItDependsOn:
    def test_another_version_of_the_tool_takes_nothing_from_it(self, project, compiled, monkeypatch):
        monkeypatch.setattr(key, "code_fingerprint", lambda: b"another")

        assert project.ljm("generate").exit_code == 0

        assert compiled == ["sales", "stock", "store"]

    def test_a_namesake_that_comes_later_is_found(self, project):
        project.write("metadata/zzz.yml", module("Sales"))

        done = project.ljm("generate")

        assert [(problem.place.split(":")[0], problem.code) for problem in done.problems] == [
            ("metadata/sales.yml", "job-key-collision"),
            ("metadata/zzz.yml", "job-key-collision"),
        ]

    def test_a_module_that_is_run_and_goes_is_missed(self, project):
        runs = module("caller").replace("notebook_path: /Workspace/a", "run_job_task: {module_name: stock}")
        project.write("metadata/caller.yml", runs)
        assert project.ljm("generate").problems == []
        (project.path / "metadata/stock.yml").unlink()

        assert project.ljm("generate").codes == ["unknown-module"]

    def test_a_notebook_that_goes_is_missed(self, project):
        project.write("notebooks/a.py", "# Databricks notebook source\n")
        project.write("metadata/local.yml", module("local", notebook="notebooks/a.py"))
        assert project.ljm("generate").problems == []
        (project.path / "notebooks/a.py").unlink()

        assert project.ljm("generate").codes == ["missing-file"]

    def test_a_variable_of_the_bundle_that_goes_is_missed(self, project):
        project.write("metadata/sales.yml", module("sales", notebook='"/Workspace/${var.warehouse_id}"'))
        assert project.ljm("generate").problems == []
        project.write("databricks.yml", "bundle: {name: test}\n")

        assert project.ljm("generate").codes == ["unknown-reference"]

    def test_a_project_that_was_made_in_another_way_than_from_its_file_counts(self, project):
        loaded = load_project(project.path)

        renamed = compile_loaded(replace(loaded, job_name="{module_name} 2"))

        assert all('name: "s' in text and ' 2"' in text for text in renamed.files.values())

    def test_a_comment_in_the_project_file_counts(self, project):
        text = "defaults:\n  task:\n    existing_cluster_id: your-cluster  # ljm: ignore[placeholder]\n"
        project.write("job_meta.yml", text)
        assert project.ljm("validate").problems == []
        project.write("job_meta.yml", text.replace("  # ljm: ignore[placeholder]", ""))

        assert project.ljm("validate").codes[0] == "placeholder"

    def test_a_template_that_a_template_includes_counts(self, project):
        project.write("job_meta.yml", "templates: {job: mine.yml.j2}\n")
        project.write(
            "mine.yml.j2",
            '{% extends "lakeflow_job_meta/job.yml.j2" %}\n'
            '{% block before_job %}{% include "note.j2" ignore missing %}{% endblock %}\n',
        )
        assert project.ljm("generate").problems == []
        assert "# note" not in project.read("resources/jobs/sales.yml")

        for note in ("# note 1\n", "# note 2\n"):
            project.write("note.j2", note)
            assert project.ljm("generate").problems == []
            assert note in project.read("resources/jobs/sales.yml")

    def test_times_of_files_count_for_nothing(self, project):
        path = project.path / "metadata/stock.yml"
        before = path.stat()
        path.write_text(module("stock", notebook="/Workspace/b"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

        assert project.ljm("generate").stdout == "update resources/jobs/stock.yml\n"

    def test_a_generated_file_that_was_edited_or_removed_is_mended(self, project):
        right = project.generated()
        project.write("resources/jobs/sales.yml", right["jobs/sales.yml"] + "# by hand\n")
        (project.path / "resources/jobs/stock.yml").unlink()

        done = project.ljm("generate")

        assert done.stdout == "update resources/jobs/sales.yml\ncreate resources/jobs/stock.yml\n"
        assert project.generated() == right


class TestDamage:
    @pytest.mark.parametrize(
        "damage",
        [
            lambda content: b"",
            lambda content: content[: len(content) // 2],
            lambda content: content.replace(b"Workspace", b"workspace"),
            lambda content: b"SQLite format 3\0" + content,
            lambda content: encode(
                CacheContent({"x": UnitResult((ModuleNames("a", "a"),), {}, ())}, {}), key_of(content)
            ),
        ],
        ids=["empty", "cut", "changed", "foreign", "without what is needed"],
    )
    def test_a_damaged_cache_is_as_good_as_none(self, project, damage):
        path = project.path / CACHE
        path.write_bytes(damage(path.read_bytes()))
        right = project.generated()

        done = project.ljm("generate", "--check")

        assert (done.exit_code, done.problems, project.generated()) == (0, [], right)
        assert len(stored_in(project).results) == 3

    @settings(max_examples=examples(200))
    @given(st.binary(max_size=300), st.randoms(use_true_random=False))
    def test_no_content_of_the_cache_makes_a_run_fail(self, content: bytes, chance: random.Random):
        good = bytearray(
            encode(CacheContent({"k": UnitResult((ModuleNames("a", "a"),), {"jobs/a.yml": "é"}, ())}, {"t": None}), KEY)
        )
        good[chance.randrange(len(good))] ^= 1 + chance.randrange(255)

        assert decode(content, KEY, Everything()) == CacheContent()
        assert decode(bytes(good), KEY, Everything()) == CacheContent()

    @pytest.mark.parametrize(
        "path", ["../x", "jobs/../../x.yml", "/etc/passwd", "jobs/a/b.yml", "jobs/.a.yml", "sql/a.sql", "jobs/a.yml\n"]
    )
    def test_the_cache_cannot_name_a_file_elsewhere(self, path):
        assert (
            decode(
                encode(CacheContent({"k": UnitResult((ModuleNames("a", "a"),), {path: "x"}, ())}, {}), KEY),
                KEY,
                Everything(),
            )
            == CacheContent()
        )

    @pytest.mark.parametrize("text", ["", "plain", "\ud800", "日本\n", "\x00"])
    def test_the_cache_gives_back_what_was_put_in(self, text):
        result = UnitResult(
            (ModuleNames("Über Sales", "a", "each"),),
            {"jobs/a.yml": text, "sql/a/b.sql": "x"},
            ((("kind", "b.py"), "file"),),
            digests=(digest(text), digest("x")),
        )
        stored = CacheContent({"k": result, "l": result}, {"mine.yml.j2": "d", "gone": None})

        assert decode(encode(stored, KEY), KEY, Everything()) == stored

    def test_only_what_is_wanted_is_read_and_the_rest_is_counted(self):
        results = {
            name: UnitResult((ModuleNames(name, name),), {f"jobs/{name}.yml": name}, digests=("d" * length,))
            for length, name in enumerate("abc", 1)
        }

        found = decode(encode(CacheContent(results), KEY), KEY, {"b", "z"})

        assert found == CacheContent({"b": results["b"]}, {}, others=2)

    def test_a_digest_is_made_where_a_result_has_none(self):
        results = {"k": UnitResult((ModuleNames("a", "a"),), {"jobs/a.yml": "\ud800", "sql/a/b.sql": "x"})}

        found = decode(encode(CacheContent(results), KEY), KEY, Everything()).results["k"]

        assert found.digests == (digest("\ud800"), digest("x"))

    def test_the_cache_gives_nothing_for_another_key(self):
        stored = CacheContent({"k": UnitResult((ModuleNames("a", "a"),), {"jobs/a.yml": "x"})})

        assert decode(encode(stored, KEY), bytes(20), Everything()) == CacheContent()


class TestWhereItCannotBeWritten:
    def test_a_file_in_its_place_is_no_error(self, tmp_path):
        project = ProjectFolder(tmp_path / "project")
        project.write("metadata/sales.yml", module("sales"))
        project.write(".lakeflow-job-meta", "a file\n")

        done = project.ljm("generate")

        assert (done.exit_code, done.problems) == (0, [])
        assert list(project.generated()) == ["jobs/sales.yml"]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_project_that_may_only_be_read_is_validated(self, tmp_path):
        project = ProjectFolder(tmp_path / "project")
        project.write("metadata/sales.yml", module("sales"))
        project.path.chmod(0o500)
        try:
            assert project.ljm("validate").exit_code == 0
        finally:
            project.path.chmod(0o700)

    def test_a_disk_that_refuses_it_is_no_error(self, project, monkeypatch):
        def refuse(*arguments, **named):
            raise OSError(30, "Read-only file system")

        before = (project.path / CACHE).read_bytes()
        monkeypatch.setattr(cache, "write_atomically", refuse)
        (project.path / "metadata/sales.yml").write_text(module("sales", notebook="/Workspace/b"))

        done = project.ljm("generate")

        assert (done.exit_code, done.stdout) == (0, "update resources/jobs/sales.yml\n")
        assert (project.path / CACHE).read_bytes() == before
        assert [path.name for path in (project.path / CACHE).parent.iterdir()] == ["results"]


GENERATES = """
import sys
from lakeflow_job_meta.compiler.cache import cache
from lakeflow_job_meta.cli.main import main
cache.LEAST_MODULES = 0
sys.argv = ["ljm", "--project", sys.argv[1], "validate"]
main()
"""
IMPORTS = f"{GENERATES}print(*sys.modules)\n"


@pytest.mark.slow
def test_two_runs_at_once_leave_a_whole_cache(project):
    for number in range(3):
        project.write("metadata/stock.yml", module("stock", notebook=f"/Workspace/{number}"))
        runs = [
            subprocess.Popen([sys.executable, "-c", GENERATES, str(project.path)], stderr=subprocess.DEVNULL)
            for _ in range(3)
        ]
        assert [run.wait(timeout=60) for run in runs] == [0, 0, 0]
        assert len(stored_in(project).results) == 3


def _source(config: str) -> str:
    return f"      - {{source_id: a, execution_order: 1, transformation_config: {{{config}}}}}\n"


TASKS = [
    *("notebook_path: /Workspace/a", "notebook_path: /Workspace/b", "notebook_path: notebooks/one.py"),
    *("notebook_path: notebooks/two.py", "run_job_task: {module_name: two}", "run_job_task: {module_name: three}"),
    *(
        "sql_task: {sql_query: SELECT 1}",
        "sql_task: {sql_query: 'SELECT 2', warehouse_id: your-id}",
        "notebook_path: 7",
    ),
    "notebook_path: /Workspace/a, base_parameters: {x: '${resources.jobs.two.id}', y: '${var.x}'}",
    "notebook_path: /Workspace/a, new_setting: 1",
    "notebook_path: notebooks/one.py, libraries: [{whl: ../dist/x.whl}]",
]
JOBS = [
    *("", "    job_config: {max_concurrent_runs: 2}\n", "    targets: [dev]\n", "    targets: [nowhere]\n"),
    '    job_config: {schedule: {quartz_cron_expression: "0 0 2 * * ?", timezone_id: Europe/Berlin}}\n',
    "    description: your-id # ljm: ignore[placeholder]\n",
    *("    job_config: {tags: {team: red}}\n", "    job_config: {tags: {team: Red}}\n"),
]
BROKEN = ["", "modules: []\n", "modules: [\n"]
MARKED = "# Generated by lakeflow-job-meta from x. Edit the metadata, not this file.\n"
SOUND = {
    "one": "notebook_path: notebooks/one.py",
    "two": "notebook_path: /Workspace/a, base_parameters: {x: '${resources.jobs.three.id}'}",
    "three": "run_job_task: {module_name: four}",
    "six": "existing_cluster_id: your-cluster, notebook_path: /Workspace/a",
}
NOTEBOOKS = ["# Databricks notebook source\n", "print(1)\n"]
WITH_TABLE = "metadata: [{yaml: metadata/}, {delta: control}]\n"
NAMES = ["one", "two", "three", "Two"]
PROJECT_FILES = [
    "templates: {job: mine.yml.j2}\ndefaults: {warehouse_id: w}\n",
    "defaults:\n  task: {existing_cluster_id: your-c} # ljm: ignore[placeholder]\ntemplates: {job: mine.yml.j2}\n",
    "defaults:\n  task: {existing_cluster_id: your-c}\ntemplates: {job: mine.yml.j2}\n",
    "checks: {missing-file: 'off', placeholder: error}\ndefaults: {warehouse_id: w}\n",
    "naming: {job_name: 'x {module_name}'}\nallow_unknown: [task.new_setting]\n",
]
TEMPLATES = [
    '{% extends "lakeflow_job_meta/job.yml.j2" %}\n',
    '{% extends "lakeflow_job_meta/job.yml.j2" %}\n{% block before_job %}\n# mine\n{% endblock %}\n',
    "{{ marker }}\nresources: {}\n",
]
BUNDLES = [
    BUNDLE,
    BUNDLE.replace("warehouse_id:", "x: {}, warehouse_id:"),
    BUNDLE + "resources: {jobs: {three: {name: x}}}\n",
]
texts = st.builds(
    lambda names, jobs, tasks: (
        "modules:\n"
        + "".join(
            f"  - module_name: {name}\n{job}    sources:\n{_source(task)}"
            for name, job, task in zip(names, jobs, tasks, strict=True)
        )
    ),
    st.lists(st.sampled_from(NAMES), min_size=2, max_size=2),
    st.lists(st.sampled_from(JOBS), min_size=2, max_size=2),
    st.lists(st.sampled_from(TASKS), min_size=2, max_size=2),
)
single = st.builds(
    lambda name, job, task: f"modules:\n  - module_name: {name}\n{job}    sources:\n{_source(task)}",
    st.sampled_from(NAMES),
    st.sampled_from(JOBS),
    st.sampled_from(TASKS),
)
rows = st.builds(
    row,
    st.sampled_from(["a", "b"]),
    st.sampled_from(["four", "five", "two", None]),
    is_active=st.booleans(),
    execution_order=st.integers(1, 2),
    job_config=st.sampled_from([None, "{}", '{"max_concurrent_runs": 3}', "{broken"]),
    transformation_config=st.sampled_from(
        ['{"notebook_path": "/Workspace/a"}', '{"notebook_path": "notebooks/one.py"}', '{"notebook_path": 1}']
    ),
)


class Edits(RuleBasedStateMachine):
    """Edits two projects in the same way; one of them loses its cache after every run."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp())
        self.remembering, self.forgetful = (ProjectFolder(self.top / name / "p") for name in ("r", "f"))
        self.old_cache: bytes | None = None

    @initialize(text=st.sampled_from(PROJECT_FILES))
    def begin(self, text: str) -> None:
        for project in (self.remembering, self.forgetful):
            write_table(project.path / "control", [row("a", "four"), row("b", "four"), row("a", "five")])
        self.write("job_meta.yml", text + WITH_TABLE)
        self.write("mine.yml.j2", TEMPLATES[0])
        self.write("notebooks/one.py", NOTEBOOKS[0])
        for name, task in SOUND.items():
            self.write(f"metadata/{name}.yml", f"modules:\n  - module_name: {name}\n    sources:\n{_source(task)}")

    def write(self, name: str, text: str) -> None:
        for project in (self.remembering, self.forgetful):
            project.write(name, text)

    def remove(self, name: str) -> None:
        for project in (self.remembering, self.forgetful):
            (project.path / name).unlink(missing_ok=True)

    @rule(name=st.sampled_from(["one", "two", "three"]), text=texts | single | single)
    def edit_a_file(self, name: str, text: str) -> None:
        self.write(f"metadata/{name}.yml", text)

    @rule(name=st.sampled_from(["one", "two", "three"]), text=st.sampled_from([*BROKEN, None]))
    def break_a_file(self, name: str, text: str | None) -> None:
        if text is None:
            self.remove(f"metadata/{name}.yml")
        else:
            self.write(f"metadata/{name}.yml", text)

    @rule(text=st.sampled_from(PROJECT_FILES), with_table=st.booleans())
    def edit_the_project(self, text: str, with_table: bool) -> None:
        self.write("job_meta.yml", text + (WITH_TABLE if with_table else ""))

    @rule(bundles=st.sampled_from(["jobs_per_bundle: 2", "by: team"]))
    def make_many_bundles(self, bundles: str) -> None:
        self.write("job_meta.yml", f"bundles: {{{bundles}}}\ndefaults: {{warehouse_id: w}}\n")
        self.write("databricks.yml", "bundle: {name: x}\n")
        for project in (self.remembering, self.forgetful):
            shutil.rmtree(project.path / "resources", ignore_errors=True)

    @rule(found=st.lists(rows, max_size=5))
    def edit_the_table(self, found: list[dict]) -> None:
        for project in (self.remembering, self.forgetful):
            write_table(project.path / "control", found)

    @rule(text=st.sampled_from(BUNDLES))
    def edit_the_bundle(self, text: str) -> None:
        self.write("databricks.yml", text)

    @rule(text=st.sampled_from(TEMPLATES) | st.none())
    def edit_the_template(self, text: str | None) -> None:
        if text is not None:
            self.write("mine.yml.j2", text)

    @rule(
        name=st.sampled_from(["one", "two"]),
        text=st.sampled_from([*NOTEBOOKS, None]),
    )
    def edit_a_notebook(self, name: str, text: str | None) -> None:
        if text is None:
            self.remove(f"notebooks/{name}.py")
        else:
            self.write(f"notebooks/{name}.py", text)

    @rule(
        name=st.sampled_from(["jobs/one.yml", "jobs/two.yml", "jobs/four.yml", "sql/one/a.sql"]),
        text=st.sampled_from(["# by hand\n", MARKED, None]),
    )
    def edit_a_generated_file(self, name: str, text: str | None) -> None:
        if text is None:
            self.remove(f"resources/{name}")
        else:
            self.write(f"resources/{name}", text)

    @rule(part=st.sampled_from([0, 0.5, 2]))
    def write_all_results_anew_more_or_less_often(self, part: float) -> None:
        cache.MOST_CHANGES = part

    @rule(
        name=st.sampled_from([CACHE, CHANGES]),
        how=st.sampled_from(["delete", "cut", "flip", "replace", "keep", "bring back"]),
        at=st.integers(0, 10_000),
    )
    def damage_the_cache(self, name: str, how: str, at: int) -> None:
        path = self.remembering.path / name
        content = path.read_bytes() if path.exists() else b""
        if how == "keep":
            self.old_cache = content
        elif how == "bring back" and self.old_cache is not None and path.exists():
            path.write_bytes(self.old_cache)
        elif how == "delete":
            shutil.rmtree(self.remembering.path / ".lakeflow-job-meta", ignore_errors=True)
        elif content:
            place = at % len(content)
            flipped = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
            path.write_bytes({"cut": content[:place], "flip": flipped}.get(how, b"{}"))

    @invariant()
    def a_run_is_the_same_with_and_without(self) -> None:
        for arguments in (["generate", "--diff"], ["generate"]):
            cache.LEAST_MODULES = 0
            with_cache = self.remembering.ljm(*arguments)
            shutil.rmtree(self.forgetful.path / ".lakeflow-job-meta", ignore_errors=True)
            without = self.forgetful.ljm(*arguments)
            assert with_cache == without
        assert self.remembering.generated() == self.forgetful.generated()
        assert _bundles(self.remembering) == _bundles(self.forgetful)
        if with_cache.exit_code in (0, 1):
            assert list(self._compiled(self.remembering)) == list(self._compiled(self.forgetful))

    def _compiled(self, project: ProjectFolder) -> Iterator[object]:
        found = project.compile()
        yield from (sorted(found.files.items()), found.diagnostics, found.kept_jobs, found.kept_labels, found.modules)
        yield from (found.summaries, found.bundles, found.jobs.names)
        yield [(job.key, job.settings, job.files, job.module.origin.path) for job in found.jobs]
        yield [(reading.source, reading.version, reading.is_unreadable) for reading in (*found.missing, *found.present)]

    def teardown(self) -> None:
        cache.MOST_CHANGES = MOST_CHANGES
        shutil.rmtree(self.top)


def _bundles(project: ProjectFolder) -> dict[str, bytes]:
    return {name: text for name, text in project.everything().items() if name.startswith("bundles/")}


TestEdits = Edits.TestCase
TestEdits.settings = settings(max_examples=examples(30), stateful_step_count=examples(15), deadline=None)
