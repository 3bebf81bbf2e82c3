"""A model is tried before it is believed: its text is checked, parsed and first asked in a process of its own.

LightGBM believes what a text says: a tree that leads back into itself never ends, one that points past its end reads
what is not its own. Whatever a text does there, it does to a process with little memory and time, without this one's
environment. What has been tried is kept by its sha256, so that nights do not pay again.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from features.errors import ModelRefused
from models.apart import Harmed, confine, run_apart
from models.folder import read_folder

TRIED = ".tried"  # beside the folders: what has been tried, and with which LightGBM
SECONDS, MEMORY = 60, 4 << 30  # of the process: seconds of processor time, bytes it may address
SOUND = "sound"
_TREE = re.compile(r"(?m)^Tree=\d+$")


def check_tried(folder: Path, sha256: str) -> None:
    """ModelRefused (77) where the model of a folder, whose sha256 was vouched for, cannot be parsed or asked."""
    about = {"sha256": sha256, "lightgbm": version("lightgbm"), "tried": SOUND}
    kept = folder.parent / TRIED / f"{sha256}.json"
    if sha256 in _not_kept or _read(kept) == about:
        return
    try:
        said = run_apart("models.trying", [str(folder), sha256], 4 * SECONDS, 10_000).decode("utf-8", "replace").strip()
    except Harmed as harm:
        said = str(harm)
    if said != SOUND:
        raise ModelRefused(
            f"Model folder {str(folder)!r} was approved, but its text {said}. "
            "Promote another run, or roll back with `recoup promote --rollback`."
        )
    if not _keep(kept, about):
        _not_kept.add(sha256)


_not_kept: set[str] = set()  # of this process: tried, where nothing could be kept of it


def _read(kept: Path) -> object:
    try:
        return json.loads(kept.read_bytes())
    except (OSError, ValueError):
        return None


def _keep(kept: Path, about: Mapping[str, str]) -> bool:
    """Whole or not at all; where nothing can be written, the next process tries again."""
    draft = kept.with_name(f".{kept.name}.{os.getpid()}.draft")
    try:
        kept.parent.mkdir(mode=0o700, exist_ok=True)
        draft.write_text(json.dumps(about, sort_keys=True))
        draft.replace(kept)
    except OSError:
        return False
    return True


# ---- in the process of its own ---------------------------------------------------------------------------------------


def unsound(text: str) -> str | None:
    """What is wrong with the trees of a LightGBM text, as the end of a sentence; None where each is one tree."""
    head, *trees = _TREE.split(text)
    if not trees:
        return "holds no tree"
    columns = re.search(r"(?m)^max_feature_idx=(\d{1,7})$", head)
    if columns is None or "end of trees" not in trees[-1]:
        return "is cut off"
    trees[-1] = trees[-1].split("end of trees")[0]
    sizes = re.search(r"(?m)^tree_sizes=([\d ]+)$", head)
    lengths = [len(f"Tree={number}{tree}".encode()) for number, tree in enumerate(trees)]
    if sizes is None or [int(size) for size in sizes[1].split()] != lengths:
        return "does not have the length that it says"
    for tree in trees:
        values = dict(line.split("=", 1) for line in tree.strip().splitlines() if "=" in line)
        if (why := _not_a_tree(values, int(columns[1]))) is not None:
            return why
    return None


def _not_a_tree(values: Mapping[str, str], last_column: int) -> str | None:
    if not re.fullmatch(r"[1-9]\d{0,6}", values.get("num_leaves", "")) or values.get("num_cat") != "0":
        return "has a tree of another kind"
    leaves = int(values["num_leaves"])
    try:
        numbers = {name: [float(part) for part in values.get(name, "").split()] for name in ("leaf_value", "threshold")}
        places = {
            name: [int(part) for part in values.get(name, "").split()]
            for name in ("split_feature", "left_child", "right_child", "decision_type")
        }
    except ValueError:
        return "has a tree that cannot be read"
    if len(numbers["leaf_value"]) != leaves:
        return "has a tree that is cut off"
    if leaves == 1:
        return None
    if any(len(held) != leaves - 1 for held in (numbers["threshold"], *places.values())):
        return "has a tree that is cut off"
    if not all(0 <= column <= last_column for column in places["split_feature"]):
        return "asks for columns that it does not have"
    return _not_joined(places["left_child"], places["right_child"], leaves)


def _not_joined(left: Sequence[int], right: Sequence[int], leaves: int) -> str | None:
    """Each split but the first, and each leaf, hangs on exactly one split that stands before it: no way leads back."""
    hung = [*left, *right]
    if sorted(hung) != sorted([*range(1, leaves - 1), *(~leaf for leaf in range(leaves))]):
        return "has a tree whose parts do not hang together"
    later = all(one < 0 or one > at for held in (left, right) for at, one in enumerate(held))
    return None if later else "has a tree that leads back into itself"


def _try(folder: Path, sha256: str) -> str:
    files = read_folder(folder, sha256)
    texts = {name: content.decode("utf-8", "replace") for name, content in files.items() if name.endswith(".txt")}
    for text in texts.values():
        if (why := unsound(text)) is not None:
            return why
    if texts:
        import numpy as np

        from models.bare import lightgbm

        for text in texts.values():
            booster = lightgbm.Booster(model_str=text)
            for value in (np.nan, 0.0, 1e9):
                rows = np.full((1, booster.num_feature()), value)
                booster.predict(rows, raw_score=True, num_threads=1)
                booster.predict(rows, pred_contrib=True, num_threads=1)
    return SOUND


if __name__ == "__main__":
    confine(SECONDS, MEMORY)
    print(_try(Path(sys.argv[1]), sys.argv[2]))
