"""Folders of models: known by their content. The store writes them: tests/store/test_files.py."""

from __future__ import annotations

import pytest

from features.errors import ModelRefused
from models.folder import digest, digest_of, read_folder
from pipeline.store.files import write_model

FILES = {"card.json": b"{}", "model.txt": b"x", "amount.txt": b"y"}


def test_digest_knows_the_names(tmp_path):
    write_model(tmp_path / "one", FILES)
    assert digest_of(tmp_path / "one") == digest(FILES)
    assert digest(FILES) != digest({"card.json": b"{}", "model.txt": b"y", "amount.txt": b"x"})


def test_a_folder_that_changed_is_refused_before_it_is_parsed(tmp_path):
    sha256 = write_model(tmp_path / "one", FILES)
    assert read_folder(tmp_path / "one", sha256) == FILES
    (tmp_path / "one" / "model.txt").write_bytes(b"z")
    with pytest.raises(ModelRefused, match="Put the approved files back"):
        read_folder(tmp_path / "one", sha256)
