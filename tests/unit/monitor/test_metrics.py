"""The file of metrics is what Prometheus reads, and holds no number that nobody has counted."""

from __future__ import annotations

import stat
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.monitor.events import ChangedJob, TickResult
from lakeflow_job_meta.monitor.metrics import METRICS, TargetMetrics, TickMetrics, as_text, write_metrics
from lakeflow_job_meta.state.history import MonitorState, Outcome

NOW = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=timezone.utc)
WHOLE = TargetMetrics("pipelines", "prod", True, False, NOW, True, 3, 2, 1, 12)


def samples(text: str) -> dict[tuple[str, str, str], float]:
    """What Prometheus reads: the values by name, project and target."""
    return {
        (sample.name, sample.labels["project"], sample.labels["target"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def tick(outcome: Outcome = Outcome.IDLE, *, failure: str = "", **changes: object) -> TickResult:
    return TickResult(outcome, MonitorState(**changes), failure, moment=NOW)  # type: ignore[arg-type]


class TestTheText:
    def test_has_a_value_of_each_metric_for_a_target_of_which_all_is_known(self):
        assert samples(as_text([WHOLE])) == {
            ("ljm_state_readable", "pipelines", "prod"): 1,
            ("ljm_healthy", "pipelines", "prod"): 0,
            ("ljm_last_tick_timestamp_seconds", "pipelines", "prod"): NOW.timestamp(),
            ("ljm_last_tick_success", "pipelines", "prod"): 1,
            ("ljm_tick_failures_in_a_row", "pipelines", "prod"): 3,
            ("ljm_quarantined_modules", "pipelines", "prod"): 2,
            ("ljm_refused_deployments", "pipelines", "prod"): 1,
            ("ljm_jobs", "pipelines", "prod"): 12,
        }

    def test_says_of_each_metric_once_what_it_is_and_that_it_is_a_gauge(self):
        families = {each.name: each for each in text_string_to_metric_families(as_text([WHOLE, WHOLE]))}

        assert {name: (each.documentation, each.type) for name, each in families.items()} == {
            name: (text, "gauge") for name, text in METRICS.items()
        }
        assert as_text([WHOLE, WHOLE]).count("# TYPE ") == len(METRICS)

    def test_leaves_out_what_is_not_known(self):
        text = as_text([TargetMetrics("pipelines", "prod", False, False)])
        assert samples(text) == {
            ("ljm_state_readable", "pipelines", "prod"): 0,
            ("ljm_healthy", "pipelines", "prod"): 0,
        }

    @given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
    def test_gives_every_name_of_a_project_and_a_target_back(self, project, target):
        text = as_text([TargetMetrics(project, target, True, True)])
        assert samples(text) == {("ljm_state_readable", project, target): 1, ("ljm_healthy", project, target): 1}


class TestTheFile:
    def test_is_never_there_in_part_and_leaves_nothing_else_behind(self, tmp_path: Path):
        path = tmp_path / "ljm.prom"

        for jobs in (1, 2):
            write_metrics(path, [TargetMetrics("p", "t", True, True, jobs=jobs)])

        assert samples(path.read_text())["ljm_jobs", "p", "t"] == 2
        assert [each.name for each in tmp_path.iterdir()] == ["ljm.prom"]

    def test_can_be_read_by_the_user_of_the_collector(self, tmp_path: Path):
        write_metrics(tmp_path / "ljm.prom", [WHOLE])
        (tmp_path / "other").touch()
        assert (tmp_path / "ljm.prom").stat().st_mode == (tmp_path / "other").stat().st_mode
        assert stat.S_ISREG((tmp_path / "ljm.prom").stat().st_mode)

    def test_in_a_folder_that_is_not_there_is_one_sentence(self, tmp_path: Path):
        with pytest.raises(OperationFailed, match=r"No such file or directory\. Make its folder first\.$"):
            write_metrics(tmp_path / "no" / "ljm.prom", [WHOLE])


class TestOfTicks:
    @pytest.fixture
    def counted(self) -> list[int]:
        """How many jobs there are when they are counted next; the last one for good."""
        return [2]

    @pytest.fixture
    def reported(self) -> list[str]:
        return []

    @pytest.fixture
    def metrics(self, tmp_path: Path, counted: list[int], reported: list[str]) -> TickMetrics:
        def count() -> int:
            if not counted:
                raise OperationFailed("There is no record.")
            return counted.pop(0)

        return TickMetrics(tmp_path / "ljm.prom", "p", "t", count, reported.append)

    def read(self, folder: Path) -> dict[str, float]:
        return {name: value for (name, _, _), value in samples((folder / "ljm.prom").read_text()).items()}

    def test_say_when_the_last_one_ended_and_what_it_left(self, metrics, tmp_path):
        metrics.write(tick(broken=("a", "b"), errors=("x",)), 0)

        assert self.read(tmp_path) == {
            "ljm_state_readable": 1,
            "ljm_healthy": 0,
            "ljm_last_tick_timestamp_seconds": NOW.timestamp(),
            "ljm_last_tick_success": 1,
            "ljm_tick_failures_in_a_row": 0,
            "ljm_quarantined_modules": 2,
            "ljm_refused_deployments": 0,
            "ljm_jobs": 2,
        }

    def test_count_the_jobs_again_only_when_they_may_have_changed(self, metrics, counted, tmp_path):
        counted.append(5)

        metrics.write(tick(), 0)
        metrics.write(tick(), 0)
        before = self.read(tmp_path)["ljm_jobs"]
        metrics.write(TickResult(Outcome.DEPLOYED, MonitorState(), jobs=(ChangedJob("a", 1),), moment=NOW), 0)

        assert (before, self.read(tmp_path)["ljm_jobs"], counted) == (2, 5, [])

    def test_that_fail_are_told_with_how_many_did_in_a_row_and_count_nothing(self, metrics, counted, tmp_path):
        metrics.write(tick(Outcome.FAILED, failure="down"), 4)

        found = self.read(tmp_path)
        assert (found["ljm_last_tick_success"], found["ljm_tick_failures_in_a_row"], counted) == (0, 4, [2])
        assert "ljm_jobs" not in found

    def test_leave_out_a_number_of_jobs_that_cannot_be_read_and_say_so(self, metrics, counted, reported, tmp_path):
        counted.clear()

        metrics.write(tick(), 0)

        assert "ljm_jobs" not in self.read(tmp_path)
        assert reported == ["The number of jobs is left out of the metrics: There is no record."]

    def test_go_on_where_the_file_cannot_be_written(self, metrics, reported, tmp_path):
        (tmp_path / "ljm.prom").mkdir()

        metrics.write(tick(), 0)

        assert len(reported) == 1
        assert "The metrics cannot be written to" in reported[0]
