"""The built site: no link is dead, nothing asks another host, and every page fits a phone and a desk.

`make site` builds it and runs these. Pages are looked at by a real Chromium, which is taken from PATH.
"""

from __future__ import annotations

import functools
import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

from support.project_folder import REPOSITORY

pytestmark = pytest.mark.site

SITE = REPOSITORY / "build" / "site"
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = (390, 1280)

LOOK = """\
<!doctype html><title>look</title><body style="margin:0"><script>
const rest = (ms) => new Promise((done) => setTimeout(done, ms));
async function open(page, width) {
  const frame = document.createElement("iframe");
  frame.style = `width:${width}px;height:900px;border:0`;
  const loaded = new Promise((done) => { frame.onload = done; });
  frame.src = page;
  document.body.replaceChildren(frame);
  await loaded;
  return frame;
}
(async () => {
  const found = {wide: [], hosts: [], hits: 0};
  for (const page of PAGES) for (const width of WIDTHS) {
    const view = (await open(page, width)).contentWindow;
    await rest(30);
    const root = view.document.documentElement;
    if (root.scrollWidth > width) found.wide.push(`${page} at ${width}: ${root.scrollWidth}`);
    for (const each of view.performance.getEntriesByType("resource"))
      if (new URL(each.name).host !== location.host) found.hosts.push(each.name);
  }
  const view = (await open("/index.html?q=blueprint", 1280)).contentWindow;
  for (let i = 0; i < 100 && !found.hits; i++) {
    await rest(100);
    found.hits = view.document.querySelectorAll(".md-search-result__item").length;
  }
  await fetch("/found", {method: "POST", body: JSON.stringify(found)});
})();
</script>
"""


@dataclass
class Links(HTMLParser):
    """The links, the anchors, and what is loaded by itself, of a page."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(values["href"])
        elif "src" in values:
            self.loaded.append(values["src"])


@functools.cache
def links_of(page: str) -> Links:
    parser = Links()
    parser.feed((SITE / page).read_text(encoding="utf-8"))
    return parser


def dead(page: str, link: str) -> bool:
    """Whether a link of the site leads to no file of it, or to no anchor of the page that it leads to."""
    path, anchor = urldefrag(unquote(urljoin(f"/{page}", link)))
    target = path.lstrip("/") or "index.html"
    if not (SITE / target).is_file():
        return True
    return bool(anchor) and target.endswith(".html") and anchor not in links_of(target).anchors


def leaves(link: str) -> bool:
    return bool(urlsplit(link).scheme or urlsplit(link).netloc)


def test_the_site_was_built():
    assert "index.html" in PAGES, "`make site` builds it"
    assert len(PAGES) > 30


@pytest.mark.parametrize("page", PAGES)
def test_no_link_of_the_page_is_dead(page):
    found = links_of(page)
    inner = [link for link in [*found.links, *found.loaded] if not leaves(link)]

    assert inner
    assert [link for link in inner if page != "404.html" and dead(page, link)] == []


def test_no_page_loads_anything_from_another_host():
    assert {(page, link) for page in PAGES for link in links_of(page).loaded if leaves(link)} == set()


def test_links_to_other_sites_are_https_and_are_listed(capsys):
    outside = sorted({link for page in PAGES for link in links_of(page).links if leaves(link)})

    with capsys.disabled():
        print("\nLinks that leave the site, not followed:", *outside, sep="\n  ")
    assert outside
    assert [link for link in outside if not link.startswith("https://")] == []


@dataclass
class Served:
    """The site on loopback, what was asked for in vain, and what the browser reported."""

    url: str
    missing: list[str]
    found: queue.Queue[dict[str, object]]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    missing: list[str] = []
    found: queue.Queue[dict[str, object]] = queue.Queue()
    look = LOOK.replace("of PAGES", f"of {json.dumps(PAGES)}").replace("of WIDTHS", f"of {list(WIDTHS)}")

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/look":
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(look.encode())

        def do_POST(self) -> None:
            found.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
            missing.append(self.path)
            super().send_error(code, message, explain)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests say what is missing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(SITE)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{server.server_port}", missing, found)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def seen(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """What a browser finds that has every page at every width, once for all tests."""
    if BROWSER is None:
        pytest.skip("there is no chromium on PATH")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--window-size=1300,900"]
    profile = tmp_path_factory.mktemp("profile")
    with (profile / "log").open("wb") as log:
        command = [BROWSER, *flags, f"--user-data-dir={profile}", f"{served.url}/look", "--remote-debugging-port=0"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield served.found.get(timeout=240)
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_every_page_fits_a_phone_and_a_desk_without_being_moved_sideways(seen):
    assert seen["wide"] == []


def test_a_browser_asks_no_other_host(seen):
    assert seen["hosts"] == []


def test_all_that_a_browser_asks_for_is_there(seen, served):
    assert [path for path in served.missing if path != "/favicon.ico"] == []


def test_the_search_finds_pages_without_a_network(seen):
    assert seen["hits"] > 0
