"""A finished night is proven to be so, and a kept one is made again from what its manifest names, byte for byte.

Also of pins.py, and of pipeline/finished.py and the commands in keeping.py.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.finished import finished
from pipeline.keeping.retention import Retired
from pipeline.night.night import publish_night
from pipeline.night.pins import Stamps, kept_terms
from pipeline.night.reproduce import ElsewhereOnly, NotKept, reproduce
from pipeline.outcomes.monitor import judge
from pipeline.pages.publish import NightGone, mark_expired
from pipeline.pages.verify import NightDamaged
from pipeline.params import load
from pipeline.store.refusals import StoreDamaged
from pipeline.store.store import Store
from tests.worlds.commands import recoup
from tests.worlds.houses import NIGHTS
from tests.worlds.programs import program

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]


def look(folder: Path, night: dt.date = NIGHTS[-1]):
    return finished(folder / "source", folder / "store", night, folder / "out", load(folder / "params.yaml"))


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# ---- a finished night ------------------------------------------------------------------------------------------------


def test_a_finished_night_again_is_proven_and_nothing_is_done(own, capsys):
    before = everything(own)
    assert recoup(own, "run", "--as-of", NIGHTS[-1].isoformat()) == 0
    told = capsys.readouterr().out
    assert "nothing that it stands on has changed" in told
    assert everything(own) == before


def test_the_proof_needs_none_of_the_libraries_that_make_a_night(own):
    program = (
        "import sys, datetime as dt; from pathlib import Path; from pipeline.finished import finished; "
        "from pipeline.params import load; folder = Path(sys.argv[1]); "
        "found = finished(folder / 'source', folder / 'store', dt.date.fromisoformat(sys.argv[2]), folder / 'out', "
        "load(folder / 'params.yaml')); "
        "print(found.changed, {'lightgbm', 'numba', 'duckdb', 'sklearn', 'xlsxwriter'} & set(sys.modules))"
    )
    given = [sys.executable, "-c", program, str(own), NIGHTS[-1].isoformat()]
    done = subprocess.run(given, cwd=HOUSE, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] set()"


def _other_params(folder: Path) -> None:
    place = folder / "params.yaml"
    place.write_text(place.read_text().replace("seed: 20261122", "seed: 7"))


def _other_delivery(folder: Path) -> None:
    shutil.rmtree(folder / "source" / "truth", ignore_errors=True)
    (folder / "source" / "contacts.control.json").unlink()


def _other_list(folder: Path) -> None:
    place = folder / "out" / NIGHTS[-1].isoformat() / "worklist.csv"
    place.write_bytes(place.read_bytes() + b"one more\n")


def _other_past(folder: Path) -> None:
    store = Store(folder / "store")
    rows = store.read("assignments", since=None, before=None)
    first = int(rows["as_of"].min())
    from pipeline.store.commit import replace_night

    replace_night(store, "assignments", rows[rows["as_of"] == first].iloc[1:], first)


def _forgotten(folder: Path) -> None:
    (folder / "out" / f".stages-{NIGHTS[-1]}.json").unlink()


def _led_away(folder: Path) -> None:
    (folder / "out" / "current").unlink()
    (folder / "out" / "current").symlink_to(NIGHTS[0].isoformat())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_other_params, ["the params"]),
        (_other_delivery, ["the delivery"]),
        (_other_list, ["the published files"]),
        (_other_past, ["what earlier nights remember"]),
        (_forgotten, ["what the store remembers of the night"]),
        (_led_away, ["where 'current' leads"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_whatever_changed_is_named(own, change, said):
    assert look(own).changed == []
    change(own)
    assert look(own).changed == said


def test_a_notice_of_a_later_night_that_failed_stays_and_a_stale_one_does_not(own):
    later = NIGHTS[-1] + dt.timedelta(1)
    notice = mark_expired(own / "out", later, "Payments are not complete through 2026-10-01.")
    assert look(own).changed == []
    notice.write_text(notice.read_text().replace(later.isoformat(), NIGHTS[-1].isoformat()))
    assert look(own).changed == ["where 'current' leads"]


def test_a_damaged_file_of_the_store_proves_nothing(own):
    """Whichever it is: every one is part of the proof."""
    places = sorted((own / "store" / "payments").glob("*/*.parquet"))
    assert len(places) > 1
    for place in places:
        whole = place.read_bytes()
        place.write_bytes(whole[:-1])
        assert look(own) is None
        place.write_bytes(whole)
    assert look(own).changed == []


@pytest.mark.parametrize("table", ["assignments", "draws"])
@pytest.mark.parametrize("which", [0, -1], ids=["of a night before", "of the night itself"])
def test_a_damaged_file_in_which_a_night_is_remembered_proves_nothing(own, table, which):
    """Their names are their sha256: that the names are the same says nothing of the bytes."""
    place = sorted((own / "store" / table).glob("*/*.parquet"))[which]
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.write_bytes(content)
    assert look(own) is None


def test_a_manifest_that_lacks_what_it_should_say_is_a_change(own):
    place = own / "out" / NIGHTS[-1].isoformat() / "manifest.json"
    said = json.loads(place.read_text())
    place.write_text(json.dumps({name: told for name, told in said.items() if name != "model"}))
    assert look(own).changed == ["the model", "the published files"]
    place.write_text(json.dumps({**said, "model": "champion"}))
    assert look(own).changed == ["the model", "the published files"]
    place.write_text(json.dumps({**said, "outputs": {**said["outputs"], "worklist.csv": 7}}))
    assert look(own) is None


def test_libraries_that_write_the_published_bytes_are_pinned(own):
    said = json.loads((own / "out" / NIGHTS[-1].isoformat() / "manifest.json").read_text())
    assert {"xlsxwriter", "jinja2", "babel", "tzdata"} <= said["libraries"].keys()


def test_a_build_that_skips_the_hashes_of_rows_is_found_out(own, monkeypatch):
    """The canary of the test above: without the hash, nothing else notices."""
    monkeypatch.setattr("pipeline.store.delta.DeltaTables.check_sound", lambda *_: None)
    place = next((own / "store" / "payments").glob("*/*.parquet"))
    place.write_bytes(place.read_bytes()[:-1])
    assert look(own).changed == []


def test_a_night_that_was_cut_off_after_it_was_published_is_ended_and_not_made_again(own, capsys, monkeypatch):
    """Before retention: it is made up for alone."""
    stamps = Stamps(own / "out", Store(own / "store").read("rungs")["as_of"].max())
    kept = stamps.read()
    stamps.place.unlink()
    stamps.mark({"publish": ({}, {})})
    assert look(own).changed == ["what the store remembers of the night"]
    from pipeline.store.files import sealed, write_whole

    write_whole(stamps.place, sealed({name: told for name, told in kept.items() if name != "retention"}))
    before = {name: found for name, found in everything(own / "out").items() if not name.startswith(".stages")}
    assert not look(own).retired
    asked = []
    monkeypatch.setattr("pipeline.run.retire", lambda *given: asked.append(given) or Retired({"runs": 2}, {}))
    assert recoup(own, "run", "--as-of", NIGHTS[-1].isoformat()) == 0
    told = capsys.readouterr()
    assert "Nothing was done." in told.out
    assert "Retention removed 2 runs." in told.err
    assert {name: found for name, found in everything(own / "out").items() if not name.startswith(".stages")} == before
    assert (len(asked), look(own).retired) == (1, True)


# ---- a kept night ----------------------------------------------------------------------------------------------------

AGAIN = """
import datetime as dt, sys
from pathlib import Path
from pipeline.night.reproduce import reproduce
from pipeline.outcomes.monitor import judge
from pipeline.params import load
folder = Path(sys.argv[1])
print(dt.date.today().year)
for night in sys.argv[2:]:
    params = load(folder / "params.yaml")
    found = reproduce(folder / "store", dt.date.fromisoformat(night), folder / "out", params, judge)
    print(night, found.differing, found.others, len(found.files))
"""


CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
/* The time of day, CLOCK_YEARS away from what it is. */
static long away(void) { return atol(getenv("CLOCK_YEARS")) * 31557600; }
int clock_gettime(clockid_t which, struct timespec *now) {
    static int (*honest)(clockid_t, struct timespec *);
    if (!honest) honest = dlsym(RTLD_NEXT, "clock_gettime");
    int done = honest(which, now);
    if (!done && which == CLOCK_REALTIME) now->tv_sec += away();
    return done;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *kept) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (kept) *kept = found.tv_sec;
    return found.tv_sec;
}
"""
ELSEWHERE = [
    {"TZ": "Pacific/Apia", "LC_ALL": "C", "PYTHONHASHSEED": "77", "CLOCK_YEARS": "3"},
    {"TZ": "America/St_Johns", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1", "CLOCK_YEARS": "-9"},
    {"TZ": "UTC", "LC_ALL": "POSIX", "PYTHONHASHSEED": "random", "CLOCK_YEARS": "-40"},
    {"TZ": "Australia/Lord_Howe", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "3", "CLOCK_YEARS": "11"},
]


def test_r21_kept_nights_are_made_again_in_any_order_whatever_came_since(attacks, own, tmp_path):
    """Other params, a later delivery, an earlier night published anew; another clock, zone, locale and hash seed."""
    (tmp_path / "clock.c").write_text(CLOCK)
    clock = tmp_path / "clock.so"
    subprocess.run([program("cc"), "-shared", "-fPIC", "-o", clock, tmp_path / "clock.c", "-ldl"], check=True)
    _other_params(own)
    params = load(own / "params.yaml")
    late = own / "late"
    late.mkdir()
    accounts = Store(own / "store").tables()["accounts"]["account_id"]
    rows = [f"L{place},{name},2026-09-0{1 + place},9.00,payment,2026-09-1{place}" for place, name in
            enumerate(accounts[:3])]  # fmt: skip
    (late / "payments.csv").write_text(
        "payment_id,account_id,occurred_at,amount,kind,known_at\n" + "\n".join(rows) + "\n"
    )
    (late / "payments.control.json").write_text('{"rows": 3, "partial": true}')
    from pipeline.intake.ingest import ingest

    ingest(late, own / "store", params)
    shutil.copytree(own / "out" / NIGHTS[1].isoformat(), own / "kept-aside")
    publish_night(own / "store", NIGHTS[0], own / "elsewhere", params)
    before = everything(own)
    for turn in range(attacks.count // len(NIGHTS)):
        nights = [night.isoformat() for night in reversed(NIGHTS)]
        nights = attacks.chance(turn).sample(nights, len(nights)) if turn else nights
        given = [sys.executable, "-c", AGAIN, str(own), *nights]
        done = subprocess.run(
            given, cwd=HOUSE, env=os.environ | ELSEWHERE[turn] | {"LD_PRELOAD": str(clock)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        year, *told_all = done.stdout.splitlines()
        assert abs(int(year) - (dt.datetime.now(dt.UTC).year + int(ELSEWHERE[turn]["CLOCK_YEARS"]))) <= 1
        for night, told in attacks.over(zip(nights, told_all, strict=True)):
            assert told == f"{night} [] [] 12"
        assert everything(own) == before


def test_what_is_no_longer_kept_is_named_all_at_once(own):
    params = load(own / "params.yaml")
    manifest = json.loads((own / "out" / NIGHTS[-1].isoformat() / "manifest.json").read_text())
    shutil.rmtree(own / "store" / "models" / manifest["model"]["version"])
    next((own / "store" / "payments").glob("*/*.parquet")).unlink()
    (own / "store" / "terms" / manifest["params_sha256"]).unlink()
    _other_params(own)
    with pytest.raises(NotKept, match=r"of table 'payments' \(1 files\); model .*; the params with sha256"):
        reproduce(own / "store", NIGHTS[-1], own / "out", load(own / "params.yaml"), judge)
    with pytest.raises(ElsewhereOnly, match="holds the published nights. Name another folder"):
        reproduce(own / "store", NIGHTS[-1], own / "out", params, judge, own / "out")
    with pytest.raises(NightGone, match="Kept are 2026-08-15 to 2026-10-01, 3 nights"):
        reproduce(own / "store", dt.date(2026, 1, 1), own / "out", params, judge)


def test_kept_params_that_are_not_what_was_kept_are_refused(own):
    params = load(own / "params.yaml")
    place = kept_terms(own / "store", params.digest())
    place.write_text(place.read_text().replace("20261122", "7"))
    with pytest.raises(StoreDamaged, match="is damaged"):
        reproduce(own / "store", NIGHTS[-1], own / "out", params, judge)


def test_a_night_that_differs_says_where_and_with_which_code(own, monkeypatch, capsys):
    """The published list stands: what was made again lies in a folder of its own."""
    monkeypatch.setattr(
        "pipeline.night.valued.said_bands", lambda rows, rung: rows["debtor_id"].astype("str").str[:0] + "none"
    )
    monkeypatch.setattr("pipeline.night.pins.code_sha256", lambda: "0" * 64)
    before = everything(own / "out")
    code = recoup(own, "reproduce", "--as-of", NIGHTS[-1].isoformat(), "--out", str(own / "again"))
    told = capsys.readouterr()
    assert code == 65
    assert "worklist.csv" in told.err
    assert "It was made with other code, which may be why" in told.err
    assert "The first stage with another result is rank." in told.err
    assert (own / "again" / NIGHTS[-1].isoformat() / "worklist.csv").is_file()
    assert "DIFFERS" in told.out
    assert everything(own / "out") == before


def test_a_list_altered_since_is_not_compared(own):
    _other_list(own)
    with pytest.raises(NightDamaged, match=r"worklist.csv' is damaged"):
        reproduce(own / "store", NIGHTS[-1], own / "out", load(own / "params.yaml"), judge)
