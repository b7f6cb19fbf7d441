"""The pages that a home serves by itself: a list of its reports."""

import functools
import re
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

from crm_pipeline.serve import HOST, _QuietPages, listing


def test_reports_are_listed_the_newest_first_and_open(tmp_path: Path) -> None:
    (tmp_path / "cards").mkdir()
    for name in ("2026-05.html", "2026-06.html", "cards/2026-06_churn.html"):
        (tmp_path / name).write_text(name)
    with ThreadingHTTPServer((HOST, 0), functools.partial(_QuietPages, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        at = f"http://{HOST}:{server.server_port}"
        pages = {path: urlopen(at + path).read().decode() for path in ("/", "/cards/", "/2026-06.html")}
        server.shutdown()
    assert re.findall('href="([^"]*)"', pages["/"]) == ["2026-06.html", "2026-05.html", "cards/"]
    assert "<h1>Reports: cards</h1>" in pages["/cards/"]
    assert pages["/2026-06.html"] == "2026-06.html"


def test_a_home_without_a_report_says_how_to_make_one() -> None:
    assert "None yet: crm-pipeline run makes one." in listing("Reports", [])
    assert "<script>" not in listing("<script>", ["<script>"])
