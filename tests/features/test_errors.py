"""Refusals: each class ends a command with its own code, and what a message may show of what it refuses."""

from __future__ import annotations

import errno
import sys

import pytest

from features.errors import CannotWrite, ContractError, RecoupError, UsageError, is_said, some, some_ids


def test_no_two_classes_end_a_command_alike():
    codes = [kind.exit_code for kind in RecoupError.__subclasses__() if kind.__module__ == "features.errors"]
    assert len(codes) == len(set(codes)) > 6
    assert RecoupError.exit_code not in codes


def test_a_disk_that_refuses_ends_a_command_by_what_was_tried():
    full = OSError(errno.ENOSPC, "")
    making, filling = CannotWrite.creating("The list", full), CannotWrite.writing("The list", full)
    assert [making.exit_code, filling.exit_code, CannotWrite.exit_code] == [73, 74, 74]
    assert "cannot be created (No space left on device). Make room" in str(making)
    assert "cannot be written (No space left on device). Make room" in str(filling)


def test_what_is_unknown_is_named_with_what_comes_nearest():
    told = str(UsageError.unknown_keys("The params", ["capasity", "zzz"], ["capacity", "language"]))
    assert told == "The params has unknown 'capasity' (nearest: 'capacity'), 'zzz'. Correct or remove it."
    assert str(ContractError.missing_columns("charges", ["due_on"], [])) == "Table 'charges' lacks 'due_on'."


def test_of_many_ids_five_are_shown_in_order():
    assert some(["b", "a"]) == "a, b"
    assert some([f"a{place}" for place in range(1_234)]) == "a0, a1, a10, a100, a1000 and 1,229 more"


def test_nobody_is_named_in_a_log(monkeypatch):
    assert some_ids(["A1", "A2"]) == "named on a terminal only"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert some_ids(["A2", "A1"]) == "A1, A2"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A. Keeper", True),
        ("faux\u00a0: voir\u202f!", True),
        (" ", False),
        ("\u00a0", False),
        ("a\nb", False),
        ("\x1b", False),
    ],
)
def test_a_name_or_reason_says_something_that_a_terminal_shows(text, said):
    assert is_said(text) is said
