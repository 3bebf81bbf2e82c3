"""A text that was vouched for and is hostile all the same harms a process that tries it, and is refused by name."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from features.errors import ModelRefused
from models.boosting import together
from models.trying import TRIED, check_tried, unsound
from pipeline.store.files import write_model


@pytest.fixture(scope="module")
def text() -> str:
    draw = np.random.default_rng(5)
    rows = draw.random((400, 6))
    rows[draw.random(rows.shape) < 0.1] = np.nan
    outcome = (np.nan_to_num(rows[:, 0]) + draw.random(400) > 1).astype(int)
    settings = {"objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1}
    return lightgbm.train(settings, lightgbm.Dataset(rows, outcome), 5).model_to_string()


def sized(text: str) -> str:
    """The text again with the lengths of its trees as they are, as whoever alters one would write them."""
    head, *trees = re.split(r"(?m)^(?=Tree=\d+$)", text)
    trees = [tree.split("end of trees")[0] for tree in trees]
    sizes = " ".join(str(len(tree.encode())) for tree in trees)
    tail = "end of trees" + text.split("end of trees", 1)[1]
    return re.sub(r"(?m)^tree_sizes=.*$", f"tree_sizes={sizes}", head) + "".join(trees) + tail


def changed(text: str, name: str, change) -> str:
    """The first line of that name with its numbers changed."""
    return sized(re.sub(rf"(?m)^{name}=(.*)$", lambda line: f"{name}={change(line[1].split())}", text, count=1))


HARM = {
    "back to the root": ("left_child", lambda held: " ".join(["0", *held[1:]]), "hang together"),
    "past the end": ("right_child", lambda held: " ".join(["999999", *held[1:]]), "hang together"),
    "no such leaf": ("left_child", lambda held: " ".join([*held[:-1], "-99999"]), "hang together"),
    "no such column": ("split_feature", lambda held: " ".join(["77", *held[1:]]), "columns that it does not have"),
    "a column below none": ("split_feature", lambda held: " ".join(["-1", *held[1:]]), "columns that it does not have"),
    "a value too few": ("leaf_value", lambda held: " ".join(held[1:]), "cut off"),
    "no number": ("threshold", lambda held: " ".join(["x", *held[1:]]), "cannot be read"),
    "more leaves than there are": ("num_leaves", lambda _: "5000000", "cut off"),
    "leaves without number": ("num_leaves", lambda _: "99999999999999999999", "another kind"),
    "categories": ("num_cat", lambda _: "3", "another kind"),
}


def test_s25_a_text_that_is_harmed_is_refused_in_words(attacks, text):
    """Each kind of harm, then by turns an end cut off and a byte altered anywhere. What the check lets through is tried
    in another process (the tests below), which it may end.
    """
    assert unsound(sized(text)) is None
    for name, change, told in attacks.over(HARM.values()):
        assert told in str(unsound(changed(text, name, change)))
    trees = text.index("end of trees")
    for number, chance in enumerate(attacks):
        at = chance.randrange(len(text))
        if number % 2 == 0:
            assert (unsound(text[:at]) is None) <= (at > trees)
            continue
        told = unsound(text[:at] + chr(chance.randrange(33, 127)) + text[at + 1 :])
        assert told is None or told.isprintable()


def test_a_way_that_leads_back_is_refused(text):
    """Every part hangs on one other, and yet the way from the second split leads in a ring."""
    tree = (
        "Tree=0\nnum_leaves=4\nnum_cat=0\nsplit_feature=0 0 0\nthreshold=1 2 3\ndecision_type=2 2 2\n"
        "left_child=-1 2 1\nright_child=-2 -3 -4\nleaf_value=1 2 3 4\n\n\n"
    )
    head, tail = text[: text.index("Tree=0")], text[text.index("end of trees") :]
    assert "leads back into itself" in str(unsound(sized(head + tree + tail)))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.9])
def test_a_text_that_is_cut_off_is_refused(text, share):
    assert unsound(text[: int(text.index("end of trees") * share)]) is not None


def test_what_the_house_teaches_is_sound(text):
    booster = lightgbm.Booster(model_str=text)
    assert unsound(together([booster, booster]).model_to_string()) is None
    assert unsound(booster.model_to_string(num_iteration=2)) is None


def folder_of(tmp_path: Path, text: str) -> tuple[Path, str]:
    return tmp_path / "models" / "one", write_model(
        tmp_path / "models" / "one", {"card.json": b"{}", "model.txt": text.encode()}
    )


def test_a_sound_model_is_tried_once(tmp_path, text, monkeypatch):
    folder, sha256 = folder_of(tmp_path, text)
    check_tried(folder, sha256)
    kept = folder.parent / TRIED / f"{sha256}.json"
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    monkeypatch.setattr("models.apart.sys.executable", "/bin/false")
    check_tried(folder, sha256)
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "lightgbm": "0.0.1"}))
    with pytest.raises(
        ModelRefused, match=r"was approved, but its text ends the process that reads it \(1\)\. Promote"
    ):
        check_tried(folder, sha256)


def test_a_hostile_text_is_refused_and_this_process_lives(tmp_path, text):
    folder, sha256 = folder_of(tmp_path, changed(text, "left_child", lambda held: " ".join(["0", *held[1:]])))
    with pytest.raises(ModelRefused, match=r"its text has a tree whose parts do not hang together"):
        check_tried(folder, sha256)
    assert not (folder.parent / TRIED).exists()


def test_what_gets_past_the_check_harms_the_other_process_alone(tmp_path, text):
    """A head that asks for more memory than the process may have."""
    folder, sha256 = folder_of(tmp_path, re.sub(r"(?m)^num_class=1$", "num_class=2000000000", text))
    with pytest.raises(ModelRefused, match=r"its text (ends the process|does not end)"):
        check_tried(folder, sha256)


def test_where_nothing_can_be_kept_it_is_tried_once_a_process(tmp_path, text, monkeypatch):
    folder, sha256 = folder_of(tmp_path, text)
    (folder.parent / TRIED).write_text("a file")
    monkeypatch.setattr("models.trying._not_kept", set())
    check_tried(folder, sha256)
    monkeypatch.setattr("models.apart.sys.executable", "/bin/false")
    check_tried(folder, sha256)
    assert (folder.parent / TRIED).read_text() == "a file"
    monkeypatch.setattr("models.trying._not_kept", set())
    with pytest.raises(ModelRefused, match="ends the process that reads it"):
        check_tried(folder, sha256)
