"""Files that are no longer what was written: R7 of what a night promises."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random

import pytest

from pipeline.night import night as night_room
from tests.worlds.commands import recoup
from tests.worlds.houses import NIGHTS, copy_of, short_terms
from tests.worlds.traces import files_of

pytestmark = pytest.mark.slow

LAST = NIGHTS[-1].isoformat()


def of_the_night(folder: Path) -> dict[str, bytes]:
    """Every file of the third night; of the manifest, all but its `run` block."""
    found = {place.name: place.read_bytes() for place in (folder / "out" / LAST).rglob("*.*")}
    manifest = {**json.loads(found["manifest.json"]), "run": None}
    return {**found, "manifest.json": json.dumps(manifest, sort_keys=True).encode()}


OF_EITHER = ("source", "rows", "log", "seals", "records", "models")
OF_FINISHED = ("terms", "marks", "nights", "published")


def kinds(folder: Path) -> dict[str, list[Path]]:
    """What a night reads, by kind; locks and what nobody reads is left out."""
    store, out = folder / "store", folder / "out"
    found = {
        "source": list((folder / "source").glob("*.csv.gz")),  # a control file has nothing that vouches for it
        "rows": [place for place in files_of(store) if place.suffix == ".parquet"],
        "log": [place for place in files_of(store) if "_delta_log" in place.parts],
        "seals": [place for place in files_of(store) if "_seals" in place.parts],
        "records": [place for place in store.iterdir() if place.is_file() and place.name != ".lock"],
        "models": list(files_of(store / "models")),
        "terms": list(files_of(store / "terms")),
        "shards": [place for place in files_of(out) if place.parts[len(out.parts)].startswith(".shards-")],
        "marks": list(out.glob(f".stages-{LAST}.json")),
        "nights": [place for night in NIGHTS for place in files_of(out / night.isoformat())],
        "published": [out / "published.jsonl", out / ".published.seal"],
    }
    return {
        kind: [place for place in places if place.stat().st_size and "truth" not in place.parts]
        for kind, places in found.items()
    }


def harmed(content: bytes, chance: Random) -> bytes:
    """One bit flipped, or an end cut off."""
    at = chance.randrange(len(content))
    if chance.random() < 0.3:
        return content[:at]
    return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]


def cut_off(*_: object) -> None:
    raise RuntimeError("cut off")


def test_r07_no_flipped_bit_and_no_lost_end_gets_into_a_list(attacks, three_nights, tmp_path, monkeypatch, capfd):
    """Shards are those of a night that was cut off after them; every other kind of file is of one that is finished, or
    by turns of either where both read it.
    """
    undisturbed = of_the_night(three_nights)
    monkeypatch.setattr(night_room, "rank_night", cut_off)
    begun = copy_of(three_nights.parent / "two", tmp_path / "begun")
    short_terms(begun)
    assert recoup(begun, "run", "--as-of", LAST) == 70
    monkeypatch.undo()
    for number, chance in enumerate(attacks):
        kind = chance.choice(sorted({*OF_FINISHED, *OF_EITHER, "shards"}))
        is_begun = kind == "shards" or (kind in OF_EITHER and number % 2 == 1)
        folder = copy_of(begun if is_begun else three_nights, tmp_path / "harmed")
        short_terms(folder)
        place = chance.choice(sorted(kinds(folder)[kind]))
        whole = place.read_bytes()
        place.write_bytes(harmed(whole, chance))
        where = f"{kind}: {place.relative_to(folder)}, seed {attacks.seed}, number {number}"
        capfd.readouterr()
        code = recoup(folder, "run", "--as-of", LAST)
        told = capfd.readouterr()
        assert code in (0, 65, 77), f"{where}: {code} {told.err}"
        if code:
            assert " ERROR " in told.err, where
        else:
            made = of_the_night(folder)
            if kind == "source":  # a bit of a gzip header is another file of the same rows
                made["manifest.json"] = undisturbed["manifest.json"]
            assert made == undisturbed, where
        if "Nothing was done." in told.out:  # this night does not stand on that file; whoever asks hears of it
            assert recoup(folder, "verify") == 65, where
            assert "DAMAGED " in capfd.readouterr().out, where
        assert (folder / "out" / "current").exists(), where
        shutil.rmtree(folder)


def test_a_night_that_could_not_be_published_is_not_worked(own, capfd):
    """Neither shards nor what the store remembers is touched where the record of OUT is damaged."""
    (own / "out" / "published.jsonl").write_bytes(b"{}\n")
    before = {str(place): place.read_bytes() for place in files_of(own / "store", own / "out")}
    assert recoup(own, "worklist", "--as-of", LAST) == 65
    assert "'published.jsonl' is damaged" in capfd.readouterr().err
    assert {str(place): place.read_bytes() for place in files_of(own / "store", own / "out")} == before
