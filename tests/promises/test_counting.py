"""What is counted of attacks, and what the table of promises tells: nothing held whose test did not pass."""

from __future__ import annotations

import textwrap

import pytest

from benchmarks import reliability

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
    told = {line.split(" | ")[0][2:].lower(): line.split(" | ")[4:6] for line in reliability.table(found)[2:]}
    assert told["r03"] == ["1", "passed"]
    assert {told[name][0] for name in ("r04", "r05", "r06", "r07", "r08")} == {"none"}
    kept, page = tmp_path / "kept.json", tmp_path / "page.md"
    monkeypatch.setattr(reliability, "KEPT", kept)
    monkeypatch.setattr(reliability, "PAGE", page)
    assert reliability.keep({}, {"r03": found["r03"]}) == 0
    assert {reliability.keep({}, {name: found[name]}) for name in found if name != "r03"} == {1}
    capfd.readouterr()
