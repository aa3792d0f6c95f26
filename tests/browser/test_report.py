"""The HTML report in a real browser: it renders, says nothing on the console, and asks no network.

Needs Chromium (`apt-get install chromium`); another binary may be named by DEEPBIRD_CHROMIUM.
"""

import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest

from deepbird_v2.data import FeatureConfig
from verify.latency.check import Notes
from verify.latency.design import Design
from verify.latency.experiment import run_experiment
from verify.latency.report import make_report
from verify.latency.synthetic import Machine, SyntheticEngines
from verify.predictions import load_predictions
from verify.report import write_report
from verify.traffic.slices import parse_slice
from verify.traffic.verify import Options, verify_traffic

CHROMIUM = os.environ.get("DEEPBIRD_CHROMIUM") or shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="no Chromium: apt-get install chromium, or set DEEPBIRD_CHROMIUM"
)
OUTPUTS = ("prediction.score", "prediction.calibrated")


class Drifted:
    """Answers as v1 did, in turn, but for an error in every fiftieth row."""

    name = "drifted"
    outputs = OUTPUTS

    def __init__(self, folder):
        self.features = FeatureConfig.from_features_json(folder / "features.json")
        self.v1 = load_predictions(folder / "v1_responses.lzo", columns=OUTPUTS).columns
        self.at = 0

    def predict(self, batch):
        rows = np.arange(self.at, self.at + len(batch))
        self.at += len(batch)
        off = np.where(rows % 50 == 7, 0.04, 1e-7)
        return {name: np.clip(values[rows] + off, 0, 1) for name, values in self.v1.items()}


def traffic(golden, folder):
    flights = golden / "flights"
    return verify_traffic(
        flights / "v1_responses.lzo",
        flights / "requests.lzo",
        Drifted(flights),
        folder=folder,
        options=Options(
            slices=(parse_slice("United: \"carrier.code\" = 'UA'"),), group="flight.dest"
        ),
        command="deepbird verify traffic",
    )


def latency(golden, folder):
    design = Design(restarts=3, most_restarts=3, blocks=3)
    engines = SyntheticEngines(design, {"v2": 1.5}, Machine())
    outcome = run_experiment(engines.start, None, design)
    command = "deepbird verify latency"
    return make_report(outcome, Notes(), {"v1": "a", "v2": "b"}, 10.0, {}, command)


HEADINGS = {
    traffic: ("Checks", "Column prediction.score", "Worst requests", "Slices"),
    latency: ("Checks", "Limits", "Undisturbed", "Response"),
}


@pytest.fixture(scope="module", params=HEADINGS, ids=lambda make: make.__name__)
def made(request, golden, tmp_path_factory):
    """A failing report with every section of its kind, and headings that it has."""
    folder = tmp_path_factory.mktemp("report")
    page = write_report(request.param(golden, folder), folder)["html"]
    return page, HEADINGS[request.param]


@pytest.fixture
def page(made):
    return made[0]


def chromium(tmp_path, *arguments):
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--hide-scrollbars", "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        *arguments,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def test_it_renders_and_says_nothing_on_the_console(made, tmp_path):
    page, headings = made
    done = chromium(tmp_path, "--enable-logging=stderr", "--dump-dom", page.as_uri())
    assert "CONSOLE" not in done.stderr
    assert "FAIL" in re.search(r'<div class="verdict fail">(.*?)</div>', done.stdout, re.DOTALL)[1]
    for heading in headings:
        assert re.search(rf"<h2[^>]*>{heading}", done.stdout)
    assert done.stdout.count("<svg") >= 4


MEASURE = """<!doctype html><body>
<iframe src="{page}" style="width:{width}px;height:2000px" onload="
  const root = this.contentDocument.documentElement;
  document.title = JSON.stringify({{
    wide: root.scrollWidth,
    loaded: this.contentWindow.performance.getEntriesByType('resource').map(e => e.name),
    verdict: this.contentWindow.getComputedStyle(root.querySelector('.verdict strong')).color,
    size: parseFloat(this.contentWindow.getComputedStyle(root.querySelector('td')).fontSize),
    unnamed: [...root.querySelectorAll('svg, [role=region]')].filter(
      e => !e.getAttribute('aria-label') && !e.querySelector('title')).length}});
"></iframe>"""


@pytest.mark.parametrize("width", [360, 1200])
def test_it_fits_a_phone_names_every_figure_and_loads_nothing(page, tmp_path, width):
    frame = tmp_path / "frame.html"
    frame.write_text(MEASURE.format(page=page.as_uri(), width=width))
    done = chromium(
        tmp_path,
        "--allow-file-access-from-files",
        "--window-size=1400,2200",
        "--virtual-time-budget=3000",
        "--dump-dom",
        frame.as_uri(),
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    found = json.loads(title[1])
    assert found["wide"] <= width  # the page itself never scrolls sideways, tables do
    assert found["size"] >= 12
    assert found["unnamed"] == 0
    assert found["loaded"] == []
    red, green, blue = (int(part) for part in re.findall(r"\d+", found["verdict"]))
    assert red > 2 * max(green, blue)


def test_a_screenshot_is_no_blank_page(page, tmp_path):
    shots = {}
    (tmp_path / "blank.html").write_text("<!doctype html><title>blank</title>")
    for name, url in (("page", page.as_uri()), ("blank", (tmp_path / "blank.html").as_uri())):
        shots[name] = tmp_path / f"{name}.png"
        chromium(tmp_path, f"--screenshot={shots[name]}", "--window-size=800,1200", url)
    sizes = {name: path.stat().st_size for name, path in shots.items()}
    assert sizes["page"] > 10 * sizes["blank"]


def test_it_prints(page, tmp_path):
    pdf = tmp_path / "report.pdf"
    chromium(tmp_path, f"--print-to-pdf={pdf}", page.as_uri())
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", content))
    assert 2 <= pages <= 60
