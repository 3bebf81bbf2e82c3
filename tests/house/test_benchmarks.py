"""What benchmarks print of themselves: their made-up deliveries, the notebook's features, and a page without a typed
figure (benchmarks/increments.py, benchmarks/growth.py, benchmarks/held.py, benchmarks/notebook.py,
benchmarks/composed.py,
benchmarks/measuring.py).
"""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest

from benchmarks import composed, growth, increments, notebook
from benchmarks.measuring import Steps, timed, watched


def test_the_page_is_what_is_kept():
    assert composed.PAGE.read_text(encoding="utf-8") == composed.page(composed.KEPT)


def test_of_a_benchmark_that_is_not_kept_the_page_says_nothing(tmp_path, capsys):
    assert composed.page(tmp_path) == composed.HEAD
    found = {"20000": [dict.fromkeys(increments.MEASURES, float(night)) for night in range(12)]}
    told = {"found": found, **composed.where(), "load": [0.5, 1.25]}
    (tmp_path / "increments.json").write_text(json.dumps(told))
    page = composed.page(tmp_path)
    assert "## Sixty daily deliveries" in page
    assert "1.0000 +- 0.0000" in page
    assert "load 0.5 before and 1.2 after. python " in page
    with pytest.raises(SystemExit, match="2"):
        composed.main(["nothing"])
    assert "There is no benchmark nothing here. Name some of increments, growth, notebook." in capsys.readouterr().err


def test_a_day_is_the_same_for_every_book_and_sends_some_rows_again():
    first, second, again = (increments.sending(night, seed=3) for night in (0, 1, 1))
    for name, rows in second.items():
        for column, values in rows.items():
            assert (values == again[name][column]).all(), (name, column)
    ids, before = set(second["contacts"]["id"]), set(first["contacts"]["id"])
    assert len(ids & before) == increments.AGAIN
    late = second["contacts"]["known"] - second["contacts"]["day"]
    assert (late.astype(int) > 2).sum() >= increments.LATE
    reversed_ids = set(second["payments"]["reverses"]) - {""}
    assert len(reversed_ids) == increments.REVERSED
    assert reversed_ids <= set(first["payments"]["id"])
    assert second["contacts"]["account"].max() < increments.ACTIVE


def test_the_slope_of_a_line_is_sure_and_nights_that_were_not_measured_do_not_count():
    line = 3 + 0.25 * np.arange(30)
    assert increments.slope(line) == pytest.approx((0.25, 0), abs=1e-9)
    holed = np.where(np.arange(30) % 5 == 0, line, np.nan)
    assert increments.slope(holed)[0] == pytest.approx(0.25)
    each, half = increments.slope(np.random.default_rng(5).normal(size=400))
    assert abs(each) < half < 0.01


def test_the_notebook_counts_what_was_known_before_the_night():
    accounts = pd.Index(["A", "B"], name="account_id")
    opened = {name: [1.0, 2.0] for name in notebook.OPENING} | {name: ["x", "y"] for name in notebook.CLASSES}
    paid = pd.DataFrame(
        {
            "account_id": ["A", "A", "A", "B"],
            "occurred_at": pd.to_datetime(["2026-09-29", "2026-08-01", "2026-09-30", "2026-10-02"], utc=True),
            "known_at": pd.to_datetime([None, None, "2026-10-01", None], utc=True),
            "amount": [10.0, 4.0, 100.0, 100.0],
            "kind": "payment",
        }
    )
    tables = {
        name: paid.iloc[:0].assign(due_on=paid["occurred_at"], cost=0.0, channel="", outcome="")
        for name in notebook.EVENTS
    }
    tables |= {
        "payments": paid,
        "accounts": pd.DataFrame({"account_id": accounts, "opened_on": "2026-01-01", **opened}),
    }
    made = notebook.features(tables, accounts, "2026-10-01")
    assert made.loc["A", "payments_all_sum_7"] == 10
    assert made.loc["A", "payments_all_sum_90"] == 14
    assert made.loc["A", "payments_all_last_90"] == 2
    assert np.isnan(made.loc["B", "payments_all_sum_730"])
    assert len(made.columns) == len(set(made.columns)) == 465


def steps(accounts: int, seconds: float) -> growth.Told:
    told = {"cpu": seconds, "peak_mib": 900.0}
    night = {**told, "stages": {"rank": seconds / 4}, "peaks": {"rank": 700.0}, "known": accounts, "scorable": 9}
    book = {"events": accounts * 50, "simulated_debtors": 700, "copies": accounts // 1_000}
    return {"book": book, "ingest": told, "train": told, "night": night}


def test_a_cost_that_grows_as_the_book_does_has_exponent_one_and_a_size_that_is_not_done_is_left_out():
    assert growth.exponent({10: 2.0, 100: 20.0, 1000: 200.0}) == pytest.approx(1)
    assert growth.exponent({10: 2.0, 100: 200.0, 1000: 20_000.0}) == pytest.approx(2)
    told = growth.text({1_000: steps(1_000, 8.0), 10_000: steps(10_000, 80.0), 100_000: {"book": {}}})
    assert "| | 1,000 accounts | 10,000 accounts | exponent |" in told
    assert "| night: rank | 2.0 s, 700 MiB | 20.0 s, 700 MiB | 1.00 |" in told
    assert told.endswith("1,000: 700 debtors simulated, 10,000: 700 debtors simulated, 10 times under other names.")
    assert growth.text({100_000: {"book": {}}}) == "No size is done."


def test_a_step_that_is_done_is_not_done_again(tmp_path):
    done = []
    for cpu in (1.0, 2.0):
        Steps(tmp_path).do("book", lambda cpu=cpu: done.append(cpu) or {"cpu": cpu})
    assert done == [1.0]
    assert Steps(tmp_path).done == {"book": {"cpu": 1.0}}


def test_memory_is_told_of_what_a_command_starts_too():
    holds = "import subprocess, sys; held = b'x' * 80_000_000; subprocess.run([sys.executable, *sys.argv[1:]])"
    also = "import time; held = b'x' * 80_000_000; time.sleep(1); print('done')"
    with watched(0.05) as memory:
        told = timed("both", sys.executable, "-c", holds, "-c", also)
    assert told["said"] == ["done"]
    assert max(mib for _, mib in memory) > 160  # each alone holds less than 110
    with pytest.raises(SystemExit, match="fails ended with 3"):
        timed("fails", sys.executable, "-c", "raise SystemExit(3)")
