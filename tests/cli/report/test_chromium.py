"""The report in a real browser: a screenshot at the width of a desk and of a telephone.

A browser window is at least 500 pixels wide, so the page is shown in a frame of the wanted width; a script
outside it measures what is inside, and Pillow looks at what was painted.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from promptd.cli.report.page import page
from tests.cli.report.states import full_health, full_history

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTHS = (1280, 390)
HEIGHT = 7_000  # more than the page has at 390
COLOURS = {"s1": (35, 100, 196), "s2": (122, 79, 208), "s3": (208, 106, 28), "s4": (22, 131, 90)}
# What a browser needs as root in a container, and what keeps it from looking anything up.
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--force-color-profile=srgb", "--force-device-scale-factor=1", "--disable-background-networking"),
)

PROBE = """
<script>
addEventListener("load", () => {
  const frame = document.querySelector("iframe"), inside = frame.contentDocument, width = frame.clientWidth
  const beyond = [...inside.querySelectorAll("body *")].filter(each => {
    const box = each.getBoundingClientRect()
    return box.width && (box.right > width + 0.5 || box.left < -0.5)
  }).map(each => each.outerHTML.slice(0, 120))
  const lines = [...inside.querySelectorAll("polyline")].map(each => {
    const box = each.getBoundingClientRect()
    return {width: box.width, height: box.height, points: each.points.length}
  })
  const charts = [...inside.querySelectorAll(".chart svg")].map(each => each.getBoundingClientRect().height)
  const whole = inside.documentElement
  const found = {width, scroll: whole.scrollWidth, height: whole.scrollHeight, beyond,
                 lines, charts, edges: inside.querySelectorAll(".map .edge").length}
  document.body.dataset.found = JSON.stringify(found)
})
</script>
"""


def _look(directory: Path, width: int) -> tuple[dict[str, Any], Image.Image]:
    """What the probe found, and the page as painted."""
    assert CHROMIUM is not None
    inner = html.escape(page(full_health(), full_history()), quote=True)
    frame = f'<iframe width="{width}" height="{HEIGHT}" style="border:0" srcdoc="{inner}"></iframe>'
    outer, picture = directory / "outer.html", directory / "picture.png"
    outer.write_text(f'<body style="margin:0;color-scheme:light">{frame}{PROBE}</body>')
    window = [f"--window-size={max(width, 500)},{HEIGHT}", f"--user-data-dir={directory / 'profile'}"]
    command = [CHROMIUM, *OPTIONS, *window]
    address = outer.as_uri()
    done = subprocess.run(
        [*command, "--dump-dom", address], capture_output=True, text=True, timeout=100, check=True
    )
    subprocess.run(
        [*command, f"--screenshot={picture}", address], capture_output=True, timeout=100, check=True
    )
    found = re.search(r'data-found="([^"]*)"', done.stdout)
    assert found, done.stdout[-500:]
    measured: dict[str, Any] = json.loads(html.unescape(found[1]))
    return measured, Image.open(picture).convert("RGB").crop((0, 0, width, min(measured["height"], HEIGHT)))


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian: apt-get install chromium)")
@pytest.mark.parametrize("width", WIDTHS)
def test_charts_have_data_and_nothing_overflows(width: int, tmp_path: Path) -> None:
    """Every line spans its chart and moves; nothing reaches out of the page; the lines are really painted."""
    found, picture = _look(tmp_path, width)
    assert found["width"] == width
    assert found["beyond"] == []
    assert found["scroll"] <= width
    assert found["height"] <= HEIGHT
    assert len(found["charts"]) == 6
    assert min(found["charts"]) > 80
    assert len(found["lines"]) >= 8
    assert all(line["points"] > 20 and line["width"] > 20 and line["height"] > 1 for line in found["lines"])
    assert found["edges"] > 10
    colours: dict[tuple[int, int, int], int] = {}
    for count, colour in picture.getcolors(maxcolors=1 << 24) or ():
        assert isinstance(colour, tuple)
        colours[colour[:3]] = count
    for name, colour in COLOURS.items():
        assert colours.get(colour, 0) > 100, f"hardly anything was painted in {name}"
