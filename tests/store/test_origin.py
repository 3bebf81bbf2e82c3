"""What a report says of the code that made it: its hash, its commit, the libraries."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess

from pipeline.store import origin
from pipeline.store.origin import HOUSE, code_sha256, commit, versions_of
from tests.worlds.programs import program


def test_the_commit_is_the_one_that_is_checked_out():
    told = subprocess.run(
        [program("git"), "-C", str(HOUSE), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    assert commit() == (told.stdout.strip() or None)


def test_a_branch_of_a_worktree_and_a_packed_one_are_followed(tmp_path, monkeypatch):
    shared, own = tmp_path / "shared", tmp_path / "shared" / "worktrees" / "own"
    own.mkdir(parents=True)
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / ".git").write_text(f"gitdir: {own}\n")
    (own / "HEAD").write_text("ref: refs/heads/mine\n")
    (own / "commondir").write_text("../..\n")
    (shared / "packed-refs").write_text(f"# pack-refs\n{'a' * 40} refs/heads/other\n{'b' * 40} refs/heads/mine\n")
    monkeypatch.setattr(origin, "HOUSE", tmp_path / "house")
    assert commit() == "b" * 40
    (shared / "refs" / "heads").mkdir(parents=True)
    (shared / "refs" / "heads" / "mine").write_text("c" * 40 + "\n")
    assert commit() == "c" * 40
    (own / "HEAD").write_text("d" * 40 + "\n")
    assert commit() == "d" * 40


def test_where_there_is_no_checkout_no_commit_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(origin, "HOUSE", tmp_path)
    assert commit() is None


def test_the_code_has_one_hash_and_libraries_that_lack_have_no_version():
    assert re.fullmatch(r"[0-9a-f]{64}", code_sha256())
    assert versions_of(["numpy", "no-such-library"]) == {"numpy": importlib.metadata.version("numpy")}
