"""The made-up book of bills: the same order gives the same bytes, and its ranges are those it says."""

from __future__ import annotations

import gzip
import hashlib
import json

import pytest

from features.errors import CannotWrite, UsageError
from pipeline.simulate.reminded import LANGUAGES, NO_EFFECT, deliver, live
from tests.worlds.commands import exit_code


def test_the_same_order_gives_the_same_bytes_and_never_over_another(tmp_path):
    for name in ("one", "two"):
        deliver(live(40, 3, months=4), tmp_path / name)
    told = [
        {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (tmp_path / name).iterdir()
            if path.is_file()
        }
        for name in ("one", "two")
    ]
    assert told[0] == told[1]
    with pytest.raises(CannotWrite, match="cannot be created"):
        deliver(live(40, 3, months=4), tmp_path / "one")


def test_first_messages_move_those_who_forgot_and_reminders_before_the_due_day_keep_bills_in_time():
    lived = live(4000, 8, months=12, first=1.2, early=0.5)
    fresh = lived.days[(lived.days["age"].between(0, 1)) & (lived.days["number"] == 1)]
    quiet = lived.days[lived.days["age"] < 0]
    assert fresh["chance"].mean() > 1.15 * quiet["chance"].mean()
    still = live(4000, 8, months=12, **NO_EFFECT)
    late = [each.days[each.days["days_past_due"] == 1].shape[0] for each in (lived, still)]
    assert late[0] < 0.98 * late[1]
    none = still.days[still.days["age"].between(0, 1)]
    assert none["chance"].max() <= 0.075 + 1e-9


def test_the_command_delivers_accounts_with_languages_and_the_truth(tmp_path):
    assert exit_code(
        "simulate", "--debtors", "60", "--seed", "4", "--months", "4", "--reminders", "--out", str(tmp_path / "book")
    ) == 0  # fmt: skip
    text = gzip.decompress((tmp_path / "book" / "accounts.csv.gz").read_bytes()).decode().splitlines()
    spoken = {line.rsplit(",", 1)[1] for line in text[1:]}
    assert text[0].endswith(",language")
    assert {"en", ""} < spoken <= {*LANGUAGES, ""}
    assert json.loads((tmp_path / "book" / "truth" / "world.json").read_text())["first"] > 0


def test_a_book_of_nobody_is_refused():
    with pytest.raises(UsageError, match="needs a debtor or more, and 3 months or more"):
        live(0, 1)
