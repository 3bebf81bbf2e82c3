"""The record that vouches for published nights: a line that is altered, lost or put in is noticed."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil

import pytest

from pipeline.pages.publish import check_ready, publish, roll_back
from pipeline.pages.record import MANIFEST, PUT_BACK, RECORD, SEAL, RecordDamaged, lines, vouch
from pipeline.pages.verify import examine_nights
from pipeline.store.files import sealed, sha256_of, unsealed
from tests.worlds.paper_nights import AS_OF, night


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Three nights, the newest published twice with other content."""
    out = tmp_path_factory.mktemp("out")
    for day, rows in ((2, 3), (1, 3), (0, 3), (0, 4)):
        publish(night(rows, as_of=AS_OF - dt.timedelta(day)), out)
    return out


@pytest.fixture
def own(kept, tmp_path):
    return shutil.copytree(kept, tmp_path / "out", symlinks=True)


def test_every_list_that_took_its_place_has_a_line(kept):
    found = lines(kept)
    assert [line["night"] for line in found] == [str(AS_OF - dt.timedelta(day)) for day in (2, 1, 0, 0)]
    assert found[-1]["manifest"] == sha256_of(kept / AS_OF.isoformat() / MANIFEST)
    publish(night(4), kept)
    assert lines(kept) == found  # the same content again is no news


@pytest.mark.parametrize("harm", ["flip", "drop the first", "drop one between", "double", "swap", "cut"])
def test_no_line_is_altered_unseen(own, harm):
    place = own / RECORD
    told = place.read_text().splitlines(keepends=True)
    harmed = {
        "flip": [told[0].replace("2026", "2025", 1), *told[1:]],
        "drop the first": told[1:],
        "drop one between": [told[0], *told[2:]],
        "double": [*told, told[-1]],
        "swap": [told[1], told[0], *told[2:]],
        "cut": ["".join(told)[:-20]],
    }[harm]
    place.write_text("".join(harmed))
    with pytest.raises(RecordDamaged, match="its lines do not follow one another"):
        lines(own)
    assert any("'published.jsonl' is damaged" in fault for fault in examine_nights(own).faults)


def test_newest_lines_that_are_gone_whole_are_noticed_a_list_or_a_decision(own):
    """An end that is cut off where a line ends leaves a record whose lines follow one another."""
    roll_back(own, AS_OF - dt.timedelta(1), "ann", "a wrong rate", dt.datetime(2026, 11, 24, tzinfo=dt.UTC))
    told = (own / RECORD).read_text().splitlines(keepends=True)
    assert json.loads(told[-1])["event"] == PUT_BACK
    for lost in range(1, len(told)):
        (own / RECORD).write_text("".join(told[:-lost]))
        with pytest.raises(RecordDamaged, match=r"'published\.jsonl' is damaged: its newest lines are gone"):
            check_ready(own)
        (fault,) = examine_nights(own).faults
        assert "its newest lines are gone" in fault
    (own / RECORD).write_text("".join(told))
    assert examine_nights(own).faults == []


def test_a_seal_older_than_the_record_is_no_damage_and_one_of_another_record_is(own):
    """The record takes its place first: a run that was killed there leaves the seal of the one before."""
    before = (own / SEAL).read_bytes()
    publish(night(5), own)
    after = (own / SEAL).read_bytes()
    (own / SEAL).write_bytes(before)
    assert examine_nights(own).faults == []
    (own / SEAL).write_text(sealed({"lines": 2, "last": "f" * 64}))
    assert "its newest lines are gone" in examine_nights(own).faults[0]
    for at in range(len(after)):
        (own / SEAL).write_bytes(after[:at] + bytes([after[at] ^ 1 << at % 8]) + after[at + 1 :])
        with pytest.raises(RecordDamaged, match=r"published\.seal' is damaged|its newest lines are gone"):
            lines(own)


def test_a_record_of_a_version_without_a_seal_stands_and_gets_one(own):
    (own / SEAL).unlink()
    assert examine_nights(own).faults == []
    publish(night(5), own)
    assert unsealed(own / SEAL)["lines"] == len(lines(own)) == 5


def test_a_record_that_is_gone_is_noticed_and_one_begun_anew_says_what_it_found(own):
    (own / RECORD).unlink()
    assert any("'published.jsonl' is gone" in fault for fault in examine_nights(own).faults)
    publish(night(5), own)
    found = examine_nights(own)
    assert found.faults == []
    assert found.notes == ["2 nights are older than the record, which vouches for them as found."]


def test_nights_of_a_version_without_a_record_are_no_damage(own):
    (own / RECORD).unlink()
    for place in own.glob("2*/manifest.json"):
        told = json.loads(place.read_text())
        place.write_text(json.dumps({name: said for name, said in told.items() if name != "vouched_by"}))
    found = examine_nights(own)
    assert found.faults == []
    assert found.notes == ["3 nights are older than the record, which vouches for them as found."]


def test_a_publish_that_was_cut_off_before_its_list_took_its_place_is_no_damage(own):
    """The line is on the disk first: until the list follows, the one before it stands."""
    vouch(own, AS_OF.isoformat(), "f" * 64)
    assert examine_nights(own).faults == []
    vouch(own, AS_OF.isoformat(), "e" * 64)
    (fault,) = examine_nights(own).faults
    assert fault.startswith(f"The manifest of night '{AS_OF}' is not the one that was published.")


@pytest.mark.parametrize("outputs", [7, {"worklist.csv": 7}])
def test_a_manifest_whose_outputs_say_nothing_vouches_for_nothing(own, outputs):
    place = own / AS_OF.isoformat() / MANIFEST
    place.write_text(json.dumps({**json.loads(place.read_text()), "outputs": outputs}))
    assert f"The manifest of night '{AS_OF}' is damaged or gone" in examine_nights(own).faults[0]


def test_a_build_that_publishes_without_its_line_is_found_out(own, monkeypatch):
    """The canary of this file: what the record is for."""
    monkeypatch.setattr("pipeline.pages.publish.vouch", lambda *_, **__: None)
    publish(night(5), own)
    (fault,) = examine_nights(own).faults
    assert fault.startswith(f"The manifest of night '{AS_OF}' is not the one that was published.")


def test_no_bit_of_the_newest_line_is_flipped_unseen_a_decision_or_a_list(own):
    """No other line follows it."""
    place = own / RECORD
    for decides in (True, False):
        told = place.read_bytes()
        begins = told[:-1].rindex(b"\n") + 1
        for at in range(begins, len(told)):
            place.write_bytes(told[:at] + bytes([told[at] ^ 1 << at % 8]) + told[at + 1 :])
            with pytest.raises(RecordDamaged, match="its lines do not follow one another"):
                lines(own)
        place.write_bytes(told)
        if decides:
            roll_back(own, AS_OF - dt.timedelta(1), "ann", "a wrong rate", dt.datetime(2026, 11, 24, tzinfo=dt.UTC))


def test_a_record_whose_first_lines_say_nothing_of_themselves_stands_and_goes_on(own):
    """As versions before wrote it; once a line speaks for itself, every later one does."""
    place, before, text = own / RECORD, None, ""
    for line in lines(own):
        bare = {name: said for name, said in line.items() if name not in ("before", "sha256")}
        written = json.dumps({**bare, "before": before}, sort_keys=True) + "\n"
        before, text = hashlib.sha256(written.encode()).hexdigest(), text + written
    place.write_text(text)
    (own / SEAL).unlink()
    assert len(lines(own)) == 4
    publish(night(5), own)
    assert ["sha256" in line for line in lines(own)] == [False] * 4 + [True]
    told = place.read_text()
    follows = hashlib.sha256(told.splitlines(keepends=True)[-1].encode()).hexdigest()
    silent = {**json.loads(text.splitlines()[0]), "before": follows}
    place.write_text(told + json.dumps(silent, sort_keys=True) + "\n")
    with pytest.raises(RecordDamaged, match="its lines do not follow one another"):
        lines(own)
