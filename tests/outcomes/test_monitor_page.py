"""What the monitor said of nights, drawn: the same nights give the same bytes, nothing is asked of the network."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from pipeline.night.alarm import keep_back, let_go
from pipeline.outcomes.monitor_page import PAGE, write_page
from pipeline.pages.publish import publish
from tests.worlds.paper_nights import AS_OF, night


def judged(days: int, verdict: str = "ok", auc: float = 0.71):
    """A paper night, so many days after the first, of which the monitor has told."""
    own = {"value": auc, "low": auc - 0.02, "high": auc + 0.02, "taught": 0.73}
    found = [
        {"name": "order foretold", "verdict": verdict, "says": "AUC <b>0.71</b>.", "figures": own},
        {"name": "drift of the score", "verdict": "ok", "says": "As in training.", "figures": {"psi": -0.01}},
        {"name": "calibration", "verdict": "unknown", "says": "No list has matured yet.", "figures": {}},
    ]
    as_of = AS_OF + dt.timedelta(days)
    told = {"monitor": {"verdict": verdict, "findings": found}}
    return night(3, as_of=as_of, manifest={**night(3).manifest, **told})


@pytest.fixture
def out(tmp_path):
    for days, verdict in ((0, "ok"), (1, "warn"), (2, "stop")):
        publish(judged(days, verdict, 0.71 - days / 50), tmp_path)
    return tmp_path


def test_nights_that_nobody_judged_have_no_page(tmp_path):
    publish(night(3), tmp_path)
    assert write_page(tmp_path) is None


def test_the_page_tells_the_newest_night_and_draws_all(out):
    text = write_page(out).read_text(encoding="utf-8")
    assert '<h1>Monitor: <span class="stop">stop</span></h1>' in text
    drawn = text[text.index("Order, foretold by the chances") : text.index("Order, by what came")]
    assert drawn.count('class="point"') == drawn.count('class="span"') == 3
    assert drawn.count('class="against"') == 1
    assert "Nothing can be said yet." in text
    assert text.index(">order foretold<") < text.index(">calibration<") < text.index(">drift of the score<")
    assert "0.67 [0.65, 0.69]" in text
    assert "AUC &lt;b&gt;0.71&lt;/b&gt;." in text


def test_a_night_that_was_kept_back_is_drawn_and_told_as_such(out):
    keep_back(out, AS_OF + dt.timedelta(3), judged(3, "stop", 0.5).manifest)
    text = write_page(out).read_text(encoding="utf-8")
    day = AS_OF + dt.timedelta(3)
    assert f'<p class="when">{day}, not published' in text
    assert f'<th scope="row">{day}, not published</th><td class="verdict stop">stop</td>' in text
    drawn = text[text.index("Order, foretold by the chances") : text.index("Order, by what came")]
    assert drawn.count('class="point"') == 4
    let_go(out, day)
    assert "not published" not in write_page(out).read_text(encoding="utf-8")


def test_a_single_night_is_held_against_a_line_and_has_no_drift_below_none(tmp_path):
    publish(judged(0), tmp_path)
    text = write_page(tmp_path).read_text(encoding="utf-8")
    lines = re.findall(r'<polyline points="([\d.]+),([\d.]+) ([\d.]+),([\d.]+)" class="against"', text)
    assert len(lines) == 2  # the order when taught, and where another population begins
    for left, at, right, level in lines:
        assert float(right) - float(left) > 300
        assert at == level
    assert "-0.01" not in text


def test_the_same_nights_give_the_same_bytes_and_no_request(out):
    first, stamp = write_page(out).read_bytes(), (out / PAGE).stat().st_mtime_ns
    assert write_page(out).read_bytes() == first
    assert (out / PAGE).stat().st_mtime_ns == stamp
    assert b"default-src &#39;none&#39;" in first
    assert not re.search(rb"<script|https?://|style=", first)
    assert (out / PAGE).stat().st_mode & 0o077 == 0
