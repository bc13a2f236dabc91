"""The catalogue in a real Chromium: what a person finds, clicks and presses in it. Run by `make site`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from support.browser import BROWSER, Tab, browser
from support.catalogue_project import HOSTILE, catalogue_project, record_job
from support.project_folder import ProjectFolder

pytestmark = [pytest.mark.site, pytest.mark.skipif(BROWSER is None, reason="there is no chromium on PATH")]

MANY = 300
WIDTHS = (390, 1440)
CRONS = {
    "0 0 2 * * ?": "at 02:00 every day",
    "0 30 2 ? * MON-FRI": "at 02:30 on weekdays",
    "0 0/15 * * * ?": "every 15 minutes every day",
    "0 5 * * * ?": "every hour at :05 every day",
    "0 0 8-18 ? * 2,4": "every hour from 08:00 to 18:59 on Mondays and Wednesdays",
    "0 0 6 L * ?": "at 06:00 on the last day of the month",
    "0 0 6 LW * ?": "at 06:00 on the last weekday of the month",
    "0 0 6 15W 1,7 ?": "at 06:00 on the weekday nearest the 15th in January and July",
    "0 15 10 ? * 6#3": "at 10:15 on the third Friday of the month",
    "0 15 10 ? * FRIL 2027": "at 10:15 on the last Friday of the month in 2027",
    "0 0 12 1/5 * ?": "at 12:00 every 5 days from the 1st of the month",
    "30 0 0,12 1 * ?": "at 00:00:30 and 12:00:30 on the 1st of the month",
    "${var.cron}": None,
    "0 0 25 * * ?": None,
}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the catalogue of a project with all kinds of things, and with one job of very many tasks."""
    project = catalogue_project(ProjectFolder(tmp_path_factory.mktemp("shop")))
    sources = [
        {
            "source_id": f"t{n}",
            "execution_order": n // 20,
            "transformation_config": {"notebook_path": f"/Workspace/{n}"},
        }
        for n in range(MANY)
    ]
    project.write("metadata/many.json.yml", json.dumps({"modules": [{"module_name": "many", "sources": sources}]}))
    record_job(project, "prod", "orders", "https://adb-1.azuredatabricks.net/jobs/4711")
    site = project.path / "site"
    source = ("--source-url", "https://github.com/acme/p/blob/main/")
    assert project.ljm("catalogue", "-o", str(site), "-t", "prod", *source).exit_code == 0
    return (site / "index.html").as_uri()


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def tab(started: Tab, page: str) -> Iterator[Tab]:
    """The first page, at a desk; whatever is done with it, nothing goes wrong in it and nothing is asked for."""
    started.look(1440, 900)
    started.call("Page.navigate", url="about:blank")
    started.console.clear()
    started.requests.clear()
    started.open(page)
    yield started
    assert started.console == []
    assert [
        url for url in started.requests if not url.startswith(("data:", "about:")) and url.partition("#")[0] != page
    ] == []


def rows(tab: Tab) -> list[str]:
    return tab.texts("#list .name")


def go(tab: Tab, address: str) -> None:
    """Follows a link that somebody was sent."""
    tab.run(f"location.hash = {json.dumps(address)}")
    tab.wait(f"document.querySelector('main h1') && location.hash === {json.dumps(address)}")
    tab.run("new Promise(requestAnimationFrame)")


class TestList:
    def test_jobs_are_in_the_order_of_their_names_with_their_number(self, tab):
        assert rows(tab) == ["copy_a", "copy_b", "hourly", "many", "mart", "orders", "run_all"]
        assert tab.text("#count") == "7 jobs"

    def test_the_search_finds_names_tags_owners_tasks_and_tables(self, tab):
        tab.press("/")
        for words, found in {
            "ord": ["orders", "mart", "run_all"],
            "ada": ["orders"],
            "t299": ["many"],
            "gold.mart bob": ["mart"],
        }.items():
            tab.run("document.querySelector('#search').select()")
            tab.write(words)
            assert (words, rows(tab)) == (words, found)
        assert tab.text("#count") == "1 of 7 jobs"
        assert tab.texts("#list mark") == []

    def test_where_nothing_is_found_the_page_says_so_and_shows_all_again(self, tab):
        tab.press("/")
        tab.write("nothing has this")
        assert "No job matches." in tab.text("#list")
        tab.click("#list .nothing button")
        assert len(rows(tab)) == 7

    def test_values_of_one_filter_add_up_and_filters_narrow_each_other(self, tab):
        tab.click("input[data-value='owner=ada']")
        assert rows(tab) == ["orders"]
        tab.click("input[data-value='owner=bob']")
        assert rows(tab) == ["mart", "orders"]
        tab.click("input[data-value='type=SQL']")
        assert rows(tab) == ["orders"]
        assert tab.run("location.hash") == "#/?owner=ada&owner=bob&type=SQL"
        assert tab.texts("#chosen .chip bdi") == ["SQL", "ada", "bob"]

    def test_every_filter_of_the_design_is_there_with_counts(self, tab):
        assert [each.lower() for each in tab.texts("#filters legend")] == [
            *("state", "task type", "trigger", "owner", "tag", "blueprint", "target"),
        ]
        assert "Paused\n1" in tab.text("#filters fieldset").replace("\n\n", "\n")

    def test_an_address_with_filters_shows_what_was_sent(self, tab):
        go(tab, "#/job/orders?q=o&trigger=Schedule")
        assert rows(tab) == ["orders", "hourly"]
        assert tab.text("main h1") == "orders"
        assert tab.run("document.querySelector('#search').value") == "o"


class TestJob:
    def test_says_what_it_is_and_where_it_is_written(self, tab):
        go(tab, "#/job/orders")
        text = tab.text("main")
        for each in ("ada", "At 02:30 on weekdays", "domain: sales", "unused", "timeouts", "until 2099-12-31"):
            assert each in text
        links = tab.run("[...document.querySelectorAll('main a[target]')].map((a) => a.href)")
        assert "https://adb-1.azuredatabricks.net/jobs/4711" in links
        assert "https://github.com/acme/p/blob/main/metadata/shop.yml#L10" in links

    def test_hostile_text_is_text(self, tab):
        go(tab, "#/job/orders")
        shown = HOSTILE.replace("\u202e", "\\u202e").replace("\u2028", "\\u2028")
        assert tab.text("main .about") == shown
        assert tab.run("document.images.length") == 0

    def test_the_next_five_runs_are_shown_in_its_zone_and_in_utc_with_the_change_of_clocks(self, tab):
        go(tab, "#/job/orders")
        assert tab.texts(".runs thead th")[:2] == ["Europe/Berlin", "UTC"]
        assert len(tab.texts(".runs tbody tr")) == 5
        assert all("02:30 UTC+0" in each for each in tab.texts(".runs tbody td:first-child"))
        assert "Clocks in Europe/Berlin go" in tab.text("main")

    def test_a_task_is_opened_from_the_graph_and_has_settings_origins_and_checks(self, tab):
        go(tab, "#/job/orders")
        tab.click(".node[data-n='1']")
        tab.wait("document.querySelector('details.task[open]')")
        assert tab.run("location.hash") == "#/job/orders/load_quality"
        assert "has_id" in tab.text("details.task[open]")
        assert "is_not_null(column: id)" in tab.text("details.task[open]")
        go(tab, "#/job/orders/load")
        assert "max_retries\n3" in tab.text("details.task[data-key='load']").replace("\t", "\n").replace("\n\n", "\n")
        assert "shop.yml:" in tab.text("details.task[data-key='load']")

    def test_other_jobs_are_before_and_behind_it(self, tab):
        go(tab, "#/job/orders")
        before, behind = tab.texts(".links .way")
        assert "run_all" in before
        assert "mart" in behind
        assert "starts after it" in behind

    def test_one_that_is_gone_is_said_to_be_so(self, tab):
        go(tab, "#/job/" + quote("<b>old</b>", safe=""))
        assert "There is no such job" in tab.text("main")
        assert "“<b>old</b>” is not in this catalogue" in tab.text("main")

    def test_a_table_has_who_writes_reads_checks_and_waits_for_it_however_its_name_is_spelt(self, tab):
        tab.click("#tabs a:nth-child(2)")
        tab.wait("document.querySelector('#list .row.table')")
        assert rows(tab) == ["main.gold.mart", "main.landing.orders", "main.silver.orders", "main.silver.orders_bad"]
        go(tab, "#/table/" + quote("main.SILVER.`orders`"))
        found = [each.split("\n") for each in tab.texts("main .part")]
        assert [[words for words in each if words] for each in found] == [
            ["Written by", "1", "orders", "load"],
            ["Read by", "1", "mart", "build"],
            ["Checked by", "1", "orders", "load_quality"],
            ["Starts", "1", "mart"],
        ]

    def test_problems_have_a_page_and_their_place(self, tab):
        tab.click("#tabs a:nth-child(3)")
        tab.wait("document.querySelector('.note')")
        assert "'timeout_seconds' is missing, but required" in tab.text("main")


class TestGraph:
    def test_of_300_tasks_begins_at_a_size_that_can_be_read_with_a_map_of_the_whole(self, tab):
        go(tab, "#/job/many")
        assert tab.run("document.querySelectorAll('.node').length") == MANY
        assert tab.run("document.querySelector('.node').getBoundingClientRect().height") >= 25
        assert tab.run("document.querySelector('.map').classList.contains('shown')")
        tab.click(".graph-tools button:nth-child(3)")
        inside = (
            "(() => { const b = document.querySelector('.graph').getBoundingClientRect(); "
            "return [...document.querySelectorAll('.node')].map((n) => n.getBoundingClientRect()).every((a) => "
            "a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom); })()"
        )
        assert tab.run(inside)

    def test_no_box_overlaps_another_and_no_name_leaves_its_box(self, tab):
        for job in ("orders", "many"):
            go(tab, f"#/job/{job}")
            wrong = tab.run(
                "[...document.querySelectorAll('.node')].filter((n) => n.querySelector('.key').getBoundingClientRect()"
                ".right > n.querySelector('.card').getBoundingClientRect().right).length"
            )
            assert wrong == 0

    def test_keys_go_from_task_to_task_zoom_and_open(self, tab):
        go(tab, "#/job/orders")
        tab.run("document.querySelector('.node').focus()")
        tab.press("ArrowDown")
        assert tab.run("document.activeElement.dataset.n") == "1"
        before = tab.run("document.querySelector('.scene').getAttribute('transform')")
        tab.press("+")
        assert tab.run("document.querySelector('.scene').getAttribute('transform')") != before
        tab.press("Enter")
        tab.wait("document.querySelector('details.task[open]')")

    def test_it_can_have_the_whole_window_and_escape_gives_it_back(self, tab):
        go(tab, "#/job/orders")
        tab.run("document.querySelector('.node').focus()")
        tab.press("f")
        assert tab.run("document.querySelector('.graph').getBoundingClientRect().width") == 1440
        tab.press("Escape")
        assert tab.run("document.querySelector('.graph').getBoundingClientRect().width") < 1440
        assert tab.text("main h1") == "orders"


class TestKeys:
    def test_slash_arrows_enter_and_escape_are_enough(self, tab):
        tab.press("/")
        tab.write("mar")
        tab.press("ArrowDown")
        assert tab.run("document.activeElement.innerText").startswith("mart")
        tab.press("Enter")
        tab.wait("document.querySelector('main h1').innerText === 'mart'")
        assert tab.run("document.activeElement.tagName") == "H1"
        tab.press("Escape")
        tab.wait("location.hash === '#/?q=mar'")
        tab.wait("document.activeElement.closest('#list')")
        tab.press("ArrowUp")
        assert tab.run("document.activeElement.id") == "search"
        tab.press("Escape")
        assert tab.run("location.hash") == "#/"

    def test_a_question_mark_shows_them(self, tab):
        tab.press("?")
        assert tab.run("document.querySelector('#keys').open")
        tab.press("Escape")
        assert not tab.run("document.querySelector('#keys').open")


class TestSchedule:
    @pytest.mark.parametrize("cron", CRONS)
    def test_a_cron_expression_in_words(self, tab, page, cron):
        assert tab.run(f"catalogue.cronInWords({json.dumps(cron)})") == CRONS[cron]

    def runs(self, tab, cron, zone, now, count=3):
        script = f"catalogue.nextRuns({json.dumps(cron)}, {json.dumps(zone)}, Date.parse({json.dumps(now)}), {count})"
        return [
            (each["at"], each["note"])
            for each in tab.run(
                f"{script}.map((r) => ({{at: new Date(r.moment).toISOString().slice(0, 16), note: r.note}}))"
            )
        ]

    def test_the_last_day_of_a_month_is_found_in_a_leap_year_too(self, tab):
        assert self.runs(tab, "0 0 6 L 2 ?", "UTC", "2027-01-01T00:00:00Z") == [
            ("2027-02-28T06:00", ""),
            ("2028-02-29T06:00", ""),
            ("2029-02-28T06:00", ""),
        ]

    def test_a_time_that_clocks_leave_out_or_show_twice_is_said_to_be_so(self, tab):
        spring = self.runs(tab, "0 30 2 * * ?", "Europe/Berlin", "2027-03-27T00:00:00Z")
        assert spring == [("2027-03-27T01:30", ""), ("2027-03-28T01:30", "skipped"), ("2027-03-29T00:30", "")]
        autumn = self.runs(tab, "0 30 2 * * ?", "Europe/Berlin", "2027-10-30T12:00:00Z", 2)
        assert autumn == [("2027-10-31T00:30", "twice"), ("2027-11-01T01:30", "")]

    def test_a_schedule_that_is_over_has_no_next_run(self, tab):
        assert self.runs(tab, "0 0 6 1 1 ? 2020", "UTC", "2027-01-01T00:00:00Z") == []


class TestLook:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_colours_are_those_of_the_reader_until_the_button_says_otherwise(self, tab, page, scheme):
        tab.look(1440, 900, scheme)
        colour = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g)"
        shade = f"{colour}.slice(0, 3).reduce((a, b) => a + Number(b), 0)"
        assert (tab.run(shade) < 200) == (scheme == "dark")
        for wanted in ("light", "dark"):
            while tab.run("document.documentElement.dataset.theme") != wanted:
                tab.click("#theme")
            assert (tab.run(shade) < 200) == (wanted == "dark")
        tab.open(page)
        assert tab.run("document.documentElement.dataset.theme") == "dark"
        tab.click("#theme")

    @pytest.mark.parametrize("width", WIDTHS)
    @pytest.mark.parametrize("address", ["#/", "#/job/orders/load", "#/job/many", "#/tables", "#/problems"])
    def test_nothing_is_wider_than_the_window(self, tab, width, address):
        tab.look(width, 844)
        go(tab, address)
        assert tab.run("document.documentElement.scrollWidth") <= width
        assert tab.run("document.querySelector('main').scrollWidth <= document.querySelector('main').clientWidth")
        assert tab.run("scrollY") == 0

    def test_on_a_phone_the_list_gives_way_to_a_job_and_comes_back(self, tab):
        tab.look(390, 844)
        tab.click("#list a")
        tab.wait("document.body.classList.contains('detail')")
        assert not tab.run("document.querySelector('#list').checkVisibility()")
        tab.click(".back")
        tab.wait("document.querySelector('#list').checkVisibility()")

    def test_text_can_be_told_from_what_is_behind_it(self, tab):
        """WCAG 2.2, 1.4.3: 4.5 to 1."""
        go(tab, "#/job/orders/load")
        for scheme in ("light", "dark"):
            tab.look(1440, 900, scheme)
            assert tab.run(CONTRAST) == []

    def test_on_paper_all_tasks_are_open_and_the_list_is_not_there(self, tab):
        go(tab, "#/job/orders")
        tab.run("dispatchEvent(new Event('beforeprint'))")
        tab.call("Emulation.setEmulatedMedia", media="print")
        assert tab.run("[...document.querySelectorAll('details.task')].every((d) => d.open)")
        assert not tab.run("document.querySelector('.finder').checkVisibility()")
        tab.call("Emulation.setEmulatedMedia", media="")


CONTRAST = """
(() => {
  const probe = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = colour;
    probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data];
  };
  const linear = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255, 255];
  };
  const wrong = new Set();
  for (const element of document.querySelectorAll("main *, .finder *, #filters *")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!hasText || !element.checkVisibility() || element.closest("svg, .hidden")) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) wrong.add(`${element.tagName}.${element.className}: ${ratio.toFixed(2)}`);
  }
  return [...wrong];
})()
"""
"""What has too little contrast, as JavaScript."""
