"""Damage of a published night is found and named."""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil

import pytest

from pipeline.pages.publish import publish
from pipeline.pages.verify import examine_nights
from tests.worlds.paper_nights import AS_OF, night


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    publish(night(3, as_of=AS_OF - dt.timedelta(1)), out)
    publish(night(3), out)
    return out


@pytest.fixture
def own(still, tmp_path):
    return shutil.copytree(still, tmp_path / "out", symlinks=True)


FILES = ("worklist.parquet", "worklist.csv", "worklist.xlsx", "worklist.html", "deferred.csv", "scores.parquet")


def test_whole_nights_are_found_whole(still, tmp_path):
    found = examine_nights(still)
    assert (found.faults, found.notes) == ([], [])
    files = sum(1 for _ in still.glob("2*/**/*.*")) - 2
    assert found.counts == {"nights": 2, "published files": files, "links": 1, "records": 1}
    assert examine_nights(tmp_path / "none").counts == {}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_published_file_that_is_damaged_or_gone_is_found(own, name, harm):
    place = own / AS_OF.isoformat() / name
    whole = bytearray(place.read_bytes())
    whole[len(whole) // 2] ^= 1
    place.write_bytes(whole if harm == "flip" else whole[: len(whole) // 2])
    if harm == "remove":
        place.unlink()
    (fault,) = examine_nights(own).faults
    said = "is gone" if harm == "remove" else "is damaged: its sha256 is not the manifest's"
    assert fault == f"Published file '{AS_OF}/{name}' {said}. Restore it from a backup, or publish the night again."


@pytest.mark.parametrize("text", [b'{"outputs": {', b"[]", None])
def test_a_manifest_that_cannot_be_read_is_found(own, text):
    place = own / AS_OF.isoformat() / "manifest.json"
    place.unlink() if text is None else place.write_bytes(text)
    assert any(f"The manifest of night '{AS_OF}' is damaged or gone" in fault for fault in examine_nights(own).faults)


def test_a_hash_altered_in_the_manifest_is_found_there_and_at_its_file(own):
    place = own / AS_OF.isoformat() / "manifest.json"
    text = place.read_text()
    at = text.index('"sha256": "', text.index('"worklist.csv"')) + 11
    place.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :])
    of_the_night, of_the_file = examine_nights(own).faults
    assert "worklist.csv' is damaged" in of_the_file
    assert of_the_night.startswith(f"The manifest of night '{AS_OF}' is not the one that was published.")


def test_a_manifest_rewritten_with_its_files_is_found_by_the_record(own):
    """Who alters a list and its manifest alike meets the record."""
    place, manifest = own / AS_OF.isoformat() / "worklist.csv", own / AS_OF.isoformat() / "manifest.json"
    before = hashlib.sha256(place.read_bytes()).hexdigest()
    place.write_bytes(place.read_bytes().replace(b"call", b"mail"))
    manifest.write_text(manifest.read_text().replace(before, hashlib.sha256(place.read_bytes()).hexdigest()))
    (fault,) = examine_nights(own).faults
    assert fault.startswith(f"The manifest of night '{AS_OF}' is not the one that was published.")


@pytest.mark.parametrize("target", ["2026-01-01", None])
def test_a_link_that_leads_nowhere_is_found(own, target):
    (own / "current").unlink()
    if target is not None:
        (own / "current").symlink_to(target)
    assert examine_nights(own).faults == ["'current' leads to no published night. Publish the newest night again."]


def test_what_somebody_added_or_altered_is_told_and_is_no_damage(own):
    (own / AS_OF.isoformat() / "Ms Smith called.txt").write_text("notes")
    (own / f"{AS_OF}.altered-1").mkdir()
    found = examine_nights(own)
    assert found.faults == []
    assert len(found.notes) == 2
    assert "Smith" not in str(found.notes)
