"""Every refusal of the product: each class owns its exit code (BSD sysexits) and each constructor its sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

MAKE_ROOM = "Make room or grant access, then run again; the last list stands."


class RecoupError(Exception):
    """A refusal with a sentence for the reader. Messages name places, counts and ids,
    never personal data or amounts.
    """

    exit_code = 70


class UsageError(RecoupError):
    """The command line, the params or a declaration is wrong."""

    exit_code = 2

    @classmethod
    def unknown_keys(cls, where: str, unknown: Iterable[str], known: Iterable[str]) -> UsageError:
        return cls(f"{where} has unknown {_named_with_nearest(unknown, known)}. Correct or remove it.")


class ContractError(RecoupError):
    """The delivery, or a frame that crosses a room, breaks the contract."""

    exit_code = 65

    @classmethod
    def missing_columns(cls, table: str, missing: Iterable[str], present: Iterable[str]) -> ContractError:
        return cls(f"Table {table!r} lacks {_named_with_nearest(missing, present)}.")

    @classmethod
    def of_people(cls, column: str, why: str) -> ContractError:
        return cls(
            f"Column {column!r} cannot be a feature: its classes {why}. A model would carry them wherever it goes. "
            "Deliver a class that many debtors share (a region, a plan), or leave the column out."
        )

    @classmethod
    def unknown_columns(cls, table: str, unknown: Iterable[str], known: Iterable[str]) -> ContractError:
        return cls(f"Table {table!r} has unknown {_named_with_nearest(unknown, known)}. Rename or remove them.")


class InputMissing(RecoupError):
    """Something the command reads is absent, late or not complete."""

    exit_code = 66


class RegistryAway(RecoupError):
    """The tracking server or registry does not answer."""

    exit_code = 69


class CannotWrite(RecoupError):
    """The disk is full or refuses (73 at creation, 74 while writing)."""

    exit_code = 74

    @classmethod
    def creating(cls, what: str, error: OSError) -> CannotWrite:
        refusal = cls(f"{what} cannot be created ({_reason(error)}). {MAKE_ROOM}")
        refusal.exit_code = 73
        return refusal

    @classmethod
    def over_link(cls, place: str) -> CannotWrite:
        refusal = cls(
            f"{place!r} is a link, and nothing is written through links: it would land elsewhere. Remove the link; "
            "to keep lists on another disk, name a folder there with --out or paths.out."
        )
        refusal.exit_code = 73
        return refusal

    @classmethod
    def seen_by_others(cls, folder: str, variable: str) -> CannotWrite:
        refusal = cls(
            f"Folder {folder!r} is for copies of people's debts, and others may look into it. Take it from them, or "
            f"name another in {variable}."
        )
        refusal.exit_code = 73
        return refusal

    @classmethod
    def writing(cls, what: str, error: OSError) -> CannotWrite:
        return cls(f"{what} cannot be written ({_reason(error)}). {MAKE_ROOM}")


class LockHeld(RecoupError):
    """Another run works on the same store or output."""

    exit_code = 75


class ModelRefused(RecoupError):
    """The model is not approved, or its files differ from what was approved."""

    exit_code = 77

    @classmethod
    def other_than_named(cls, folder: str) -> ModelRefused:
        return cls(f"Model folder {folder!r} holds other files than its name says. Remove it and train again.")


def is_said(text: str) -> bool:
    """Whether a name or a reason may stand in a record: it says something, in characters that a terminal shows as they
    are. French sets spaces that do not break before its signs.
    """
    return bool(text.strip()) and text.replace("\u00a0", " ").replace("\u202f", " ").isprintable()


def some(ids: Sequence[object], most: int = 5) -> str:
    """Up to five ids in order, then how many more: what a message may show."""
    shown = ", ".join(str(value) for value in sorted(ids, key=str)[:most])
    return shown if len(ids) <= most else f"{shown} and {len(ids) - most:,} more"


def some_ids(ids: Sequence[object]) -> str:
    """Ids of people or accounts, as `some` tells them, where a person looks on; nobody is named in a log."""
    return some(ids) if sys.stderr.isatty() else "named on a terminal only"


def _named_with_nearest(names: Iterable[str], candidates: Iterable[str]) -> str:
    candidates = list(candidates)
    near = {name: get_close_matches(name, candidates, n=1) for name in names}
    return ", ".join(f"{name!r} (nearest: {hit[0]!r})" if hit else repr(name) for name, hit in near.items())


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else type(error).__name__
