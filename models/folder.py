"""A model on disk: a folder of a few text files anyone can read, known by the sha256 of its content. Never a pickle.

The store writes it (pipeline.store.files.write_model). The hash is checked on the bytes read before anything parses
them: a tampered LightGBM text can crash or hang the process.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.errors import ModelRefused

CARD_FILE = "card.json"
RECOVERED_FILE, AMOUNT_FILE, DEFAULTED_FILE, EFFECT_FILE = "model.txt", "amount.txt", "defaulted.txt", "effect.json"
LATE_FILE = "late.txt"
CONTINUATION_FILES = tuple(f"continuation_{days}.txt" for days in (30, 90, 180, 365))
BELIEFS_FILE = "beliefs.json"
NAMES = (
    AMOUNT_FILE,
    BELIEFS_FILE,
    CARD_FILE,
    *CONTINUATION_FILES,
    DEFAULTED_FILE,
    EFFECT_FILE,
    LATE_FILE,
    RECOVERED_FILE,
)
LIMIT_BYTES = 1 << 30


def digest(files: Mapping[str, bytes]) -> str:
    """sha256 over the files' names and their own sha256, by name: a file added, lost, renamed or changed changes it."""
    lines = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def card_bytes(card: Mapping[str, Any]) -> bytes:
    """card.json: sorted keys, floats by their shortest exact text, no NaN."""
    return (json.dumps(card, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_folder(folder: Path, sha256: str) -> dict[str, bytes]:
    """The files, once their digest equals sha256. ModelRefused when the folder is gone, differs,
    or holds anything else.
    """
    files = _bytes_of(folder)
    found = digest(files)
    if found != sha256:
        raise ModelRefused(
            f"Model folder {str(folder)!r} has sha256 {found[:12]}, approved was {sha256[:12]}. "
            "Put the approved files back, or roll back with `recoup promote --rollback`."
        )
    return files


def digest_of(folder: Path) -> str:
    """The digest of a folder as it stands."""
    return digest(_bytes_of(folder))


def _bytes_of(folder: Path) -> dict[str, bytes]:
    try:
        present = sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        raise ModelRefused(f"Model folder {str(folder)!r} is missing. Put it back, or promote another run.") from None
    strange = [name for name in present if name not in NAMES]
    if strange:
        raise ModelRefused(
            f"Model folder {str(folder)!r} holds files that are no part of a model: {len(strange)}. Remove them."
        )
    if CARD_FILE not in present:
        raise ModelRefused(f"Model folder {str(folder)!r} has no {CARD_FILE}. Put it back, or promote another run.")
    files = {}
    for name in present:
        about = os.lstat(folder / name)
        if not stat.S_ISREG(about.st_mode) or about.st_size > LIMIT_BYTES:
            raise ModelRefused(
                f"Model folder {str(folder)!r}: {name} must be a plain file of at most 1 GiB. "
                "Put the approved file back."
            )
        files[name] = (folder / name).read_bytes()
    return files
