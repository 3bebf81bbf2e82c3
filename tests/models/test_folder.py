"""Folders of models: named by their content."""

from __future__ import annotations

import pytest

from features.errors import ModelRefused
from models.folder import digest_of, write_folder


def test_the_same_name_with_other_content_is_refused(tmp_path):
    write_folder(tmp_path / "model", {"card.json": b"{}"})
    with pytest.raises(ModelRefused, match="holds other files than its name says"):
        write_folder(tmp_path / "model", {"card.json": b"[]"})
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_digest_knows_the_names(tmp_path):
    one = write_folder(tmp_path / "one", {"card.json": b"{}", "model.txt": b"x", "amount.txt": b"y"})
    other = write_folder(tmp_path / "other", {"card.json": b"{}", "model.txt": b"y", "amount.txt": b"x"})
    assert one != other
    assert digest_of(tmp_path / "one") == one
