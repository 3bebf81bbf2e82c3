"""Learning on schedule: promoted through the gates alone, the champion kept else, one at a time."""

from __future__ import annotations

import datetime as dt
import shutil

import pytest

from features.days import day_number
from features.errors import LockHeld
from pipeline.commands.learning import _calm
from pipeline.night.alarm import KEPT_BACK, keep_back, kept_back, let_go
from pipeline.night.pins import Stamps
from pipeline.pages.publish import publish
from pipeline.store.champion import champion
from pipeline.training import registry
from pipeline.training.retrain import retrain
from tests.worlds.paper_nights import AS_OF, night
from tests.worlds.params import quick_params

WHO = {"who": "timer", "why": "on schedule", "when": "2026-02-01T00:00:00+00:00"}


@pytest.mark.slow
def test_a_challenger_as_good_becomes_the_champion_and_again_is_no_news(first, second, store, place):
    found = retrain(store, quick_params(place), lambda: second, **WHO)
    assert found.promoted
    assert "\nPromoted: " in found.text()
    assert champion(store).record["approved_by"] == "timer"
    again = retrain(store, quick_params(place), lambda: second, **WHO)
    assert not again.promoted
    assert again.says == f"{second.version} is the champion already."


@pytest.mark.slow
def test_one_that_may_not_be_promoted_leaves_the_champion_and_says_why(first, second, store, place):
    shutil.rmtree(store / "runs" / first.run_id / "judged")  # nothing fair is left to compare it with
    found = retrain(store, quick_params(place), lambda: second, **WHO)
    assert not found.promoted
    assert "Not promoted: " in found.text()
    assert "too near every test night" in found.says
    assert champion(store).version == first.version


@pytest.mark.slow
def test_one_that_a_person_took_back_is_a_persons_to_promote(first, second, store, place):
    params = quick_params(place)
    registry.promote(store, second.run_id, params, **WHO)
    registry.rollback(store, params, who="eve", why="odd list", when="2026-02-02T00:00:00+00:00")
    found = retrain(store, params, lambda: second, **WHO)
    assert not found.promoted
    assert "was taken back by eve: odd list" in found.says
    assert champion(store).version == first.version


@pytest.mark.slow
def test_two_at_once_teach_one(second, store, place):
    def taught_beside():
        held = pytest.raises(LockHeld, match="Another run works on")
        with held, _as_another():
            retrain(store, quick_params(place), lambda: second, **WHO)
        with _as_another():  # a person's decision waits for no teaching
            registry.rollback(store, quick_params(place), who="eve", why="odd", when=WHO["when"])
        return second

    registry.promote(store, second.run_id, quick_params(place), **WHO)
    assert "taken back by eve" in retrain(store, quick_params(place), taught_beside, **WHO).says


class _as_another:
    """Whoever asks for a lock inside is not the thread that holds it."""

    def __enter__(self):
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("pipeline.store.locks.threading.get_ident", lambda: -1)

    def __exit__(self, *_):
        self.patch.undo()


@pytest.mark.parametrize(
    ("verdict", "least", "taught"),
    [
        ("stop", "stop", True),
        ("stop", "warn", True),
        ("warn", "warn", True),
        ("warn", "stop", False),
        ("ok", "warn", False),
    ],
)
def test_a_verdict_may_trigger_it(tmp_path, verdict, least, taught):
    publish(night(2), tmp_path)
    Stamps(tmp_path, day_number(AS_OF)).mark({"monitor": ("the list", {"sha256": "0", "verdict": verdict})})
    told = _calm(tmp_path, least)
    assert (told is None) == taught
    assert taught or f"is {verdict}: nothing is taught" in told


def test_no_list_or_one_that_nobody_judged_triggers_nothing(tmp_path):
    assert "No list is published: nothing is taught" in _calm(tmp_path, "stop")
    publish(night(2), tmp_path)
    assert "is not told: nothing is taught" in _calm(tmp_path, "warn")


def test_the_day_of_the_newest_list_decides(tmp_path):
    for day, verdict in ((AS_OF, "stop"), (AS_OF + dt.timedelta(1), "ok")):
        publish(night(2, as_of=day), tmp_path)
        Stamps(tmp_path, day_number(day)).mark({"monitor": ("the list", {"sha256": "0", "verdict": verdict})})
    assert "is ok" in _calm(tmp_path, "stop")


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("least", ["stop", "warn"])
def test_a_night_whose_list_was_kept_back_triggers_it_until_one_is_published(tmp_path, after, least):
    """The kept night is the published one, delivered again, or the next one."""
    kept, later = AS_OF + dt.timedelta(after), AS_OF + dt.timedelta(2)
    publish(night(2), tmp_path)
    Stamps(tmp_path, day_number(AS_OF)).mark({"monitor": ("the list", {"sha256": "0", "verdict": "ok"})})
    assert "is ok" in _calm(tmp_path, least)
    keep_back(tmp_path, kept)
    assert _calm(tmp_path, least) is None
    let_go(tmp_path, kept - dt.timedelta(1))
    assert kept_back(tmp_path) == [kept.isoformat()]
    publish(night(2, as_of=later), tmp_path)
    assert "is not told" in _calm(tmp_path, least)
    let_go(tmp_path, later)
    assert kept_back(tmp_path) == []


def test_a_first_night_that_was_kept_back_triggers_it_and_a_damaged_memory_of_one_does_not(tmp_path):
    keep_back(tmp_path, AS_OF)
    assert _calm(tmp_path, "stop") is None
    (tmp_path / KEPT_BACK).write_text("[")
    assert "No list is published: nothing is taught" in _calm(tmp_path, "stop")
