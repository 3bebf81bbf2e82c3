"""What is counted of attacks, and what the table of promises tells: nothing held whose test did not pass."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.errors import StopTest, UnsatisfiedAssumption

from benchmarks import reliability
from tests.worlds.promises import Attacks

pytestmark = pytest.mark.slow

STRANGE = """
    import pytest

    @pytest.fixture
    def broken():
        raise RuntimeError("broken")

    def test_r03_holds(attacks):
        with attacks.one():
            pass

    def test_r04_fails_after_its_attacks(attacks):
        for _ in attacks.over(range(3)):
            pass
        assert False

    def test_r05_is_skipped(attacks):
        with attacks.one():
            pass
        pytest.skip("not here")

    def test_r06_attacks_nothing(attacks):
        pass

    def test_r07_never_comes_to_it(attacks, broken):
        pass

    def test_r08_never_comes_to_its_counts(broken, attacks):
        pass
"""


def test_a_row_whose_test_did_not_pass_is_never_told_as_held(tmp_path, monkeypatch, capfd):
    place = tmp_path / "test_strange.py"
    strange = textwrap.dedent(STRANGE)
    place.write_text(strange)
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p tests.conftest")
    names = [line.removeprefix("def ").split("(")[0] for line in strange.splitlines() if line.startswith("def test_")]
    found, code = reliability.rows({name.split("_")[1]: f"{place}::{name}" for name in names})
    assert code == 1
    assert {name: (one["tried"], one["ended"]) for name, one in found.items()} == {
        "r03": (1, "passed"),
        "r04": (3, "failed"),
        "r05": (1, "skipped"),
        "r06": (0, "no attack"),
        "r07": (0, "did not run"),
        "r08": (0, "did not run"),
    }
    lines = reliability.table({name: {"runs": [run]} for name, run in found.items()})[2:]
    told = {line.split(" | ")[0][2:].lower(): line.split(" | ")[4:6] for line in lines}
    assert told["r03"] == ["1", "passed"]
    assert {told[name][0] for name in ("r04", "r05", "r06", "r07", "r08")} == {"none"}
    kept, page = tmp_path / "kept.json", tmp_path / "page.md"
    monkeypatch.setattr(reliability, "KEPT", kept)
    monkeypatch.setattr(reliability, "PAGE", page)
    assert reliability.keep({}, {"r03": found["r03"]}) == 0
    assert {reliability.keep({}, {name: found[name]}) for name in found if name != "r03"} == {1}
    capfd.readouterr()


def run_of(seed: int, tried: int, held: int | None = None, **more) -> dict:
    counts = {"tried": tried, "held": tried if held is None else held, "seconds": 1.0, "seed": seed}
    return {**counts, "ended": "passed", "measured": f"2026-11-30 {seed:07}", **more}


def test_runs_of_a_row_add_up_to_its_full_count_and_one_that_fails_empties_it():
    runs: list[dict] = [run_of(0, 5)]
    del runs[0]["ended"]  # before that was kept
    for seed, tried in ((1, 80), (2, 70), (2, 90)):
        runs = reliability.added(runs, "r01", run_of(seed, tried))
    assert [(run["seed"], run["tried"]) for run in runs] == [(1, 80), (2, 90)]
    assert reliability.told(runs) == "170 | 170 | passed | 2.0 | 2 | 2026-11-30 0000001 to 2026-11-30 0000002"
    runs = reliability.added(runs, "r01", run_of(3, 120))
    assert [run["seed"] for run in runs] == [2, 3]  # the first is no longer needed for 200
    failed = reliability.added(runs, "r01", run_of(4, 9, 8, ended="failed"))
    assert (reliability.told(failed), [run["seed"] for run in failed]) == (
        "9 | none | failed | 1.0 | 1 | 2026-11-30 0000004", [4]
    )  # fmt: skip
    assert [run["seed"] for run in reliability.added(failed, "r01", run_of(5, 3))] == [5]


def test_an_attack_that_meets_nothing_is_neither_tried_nor_held():
    counted = Attacks("r01", 1, full=False)
    for number, _ in enumerate(counted):
        if number % 3:
            counted.miss()
    assert (counted.tried, counted.held, counted.missed) == (2, 2, 2)
    idle = Attacks("r01", 1, full=False)
    for _ in idle:
        idle.miss()
    assert (idle.told()["ended"], idle.tried, idle.missed) == ("did not run", 0, 8)
    assert reliability.told([run_of(1, 4, missed=2)]).startswith("4, and 2 that met nothing | 4 | passed")


def test_a_world_that_hypothesis_gives_up_is_neither_tried_nor_held():
    counted = Attacks("r09", 1, full=False)

    @counted.drawn(st.integers(0, 3))
    def even(number):
        assume(number % 2 == 0)

    even()
    assert counted.tried == counted.held > 0
    for given_up in (StopTest(0), UnsatisfiedAssumption("0")):
        with pytest.raises(type(given_up), match="0"), counted.one():
            raise given_up
    assert counted.tried == counted.held
