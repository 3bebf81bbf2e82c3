"""Why a night, or what is asked of one, cannot be answered, each sentence said once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from features.days import date_of
from features.errors import ContractError, InputMissing, ModelRefused, some, some_ids

LATER = "Choose a later --as-of, or load the history with `ingest --backfill`."


class NightMissing(InputMissing):
    """The store does not hold what the night needs."""

    @classmethod
    def not_begun(cls, as_of: dt.date, begun: int) -> NightMissing:
        return cls(
            f"Nothing is known to have happened before {as_of}: payments, contacts and statuses begin on "
            f"{date_of(begun)}. {LATER}"
        )

    @classmethod
    def late(cls, as_of: dt.date, tables: Mapping[tuple[str, int | None], Sequence[str]]) -> NightMissing:
        """tables: (portfolio, last complete day or None) -> tables that are late there."""
        told = [
            f"{', '.join(names)} of {portfolio} "
            + ("never delivered" if day is None else f"complete through {date_of(day)}")
            for (portfolio, day), names in tables.items()
        ]
        return cls(
            f"The night of {as_of} needs every declared table through {as_of - dt.timedelta(1)}: {'; '.join(told)}. "
            "Deliver what is "
            "missing; where nothing happened, say so by complete_through in NAME.control.json. A table that a "
            "portfolio never sends is "
            "left out of portfolios.<name>.delivers, and what needs it is unknown."
        )

    @classmethod
    def nobody(cls, as_of: dt.date) -> NightMissing:
        return cls(f"No account is known before {as_of}. {LATER}")

    @classmethod
    def not_scorable(cls, account_id: str, as_of: dt.date, why: str) -> NightMissing:
        return cls(
            f"Account {account_id[:64]!r} is not scorable as of {as_of} ({why}). "
            "Choose a night on which it owes something due."
        )

    @classmethod
    def no_truth(cls, accounts: int, as_of: dt.date, truth: str) -> NightMissing:
        return cls(
            f"{accounts:,} accounts of the night of {as_of} have no truth in {truth!r}. Give the truth/ of the "
            "source the "
            "store was fed from, and the first of a month: for those nights it is known."
        )


class NoWatchHead(InputMissing):
    """The model in use says nothing of accounts before their due day."""

    @classmethod
    def of(cls, version: str) -> NoWatchHead:
        return cls(
            f"Model {version} was not taught of accounts before their due day. Run `recoup train` with `watch` in the "
            "params, and promote what it teaches; its report says why where it taught none."
        )

    @classmethod
    def of_another(cls, version: str, taught: Mapping[str, Any], wanted: Mapping[str, Any]) -> NoWatchHead:
        return cls(f"Model {version} cannot score accounts before their due day: {other_lateness(taught, wanted)}")


class NoWorth(InputMissing):
    """The model in use does not say what waiting is worth."""

    @classmethod
    def of(cls, version: str) -> NoWorth:
        return cls(
            f"Model {version} was not taught what waiting is worth, so no offer can be set against it. Run "
            "`recoup train` with `treatments` in the params, and promote what it teaches."
        )


def other_lateness(taught: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """taught, wanted: days_ahead and late_days, None where the model does not say."""
    was, now = (
        ", ".join(f"{name} {'unknown' if value is None else value}" for name, value in each.items())
        for each in (taught, wanted)
    )
    return f"it was taught on {was}, `watch` of the params says {now}. Run `recoup train`, or set `watch` back."


class TaughtOnMore(ContractError):
    """The model needs a feature that the catalogue lost."""

    @classmethod
    def lacking(cls, features: Sequence[str]) -> TaughtOnMore:
        return cls(
            "The model was taught on features that the catalogue lacks: "
            f"{some(features)}. Put them back, or train and promote another."
        )


class ScoresDiffer(ModelRefused):
    """The same rows scored twice must give the same bits."""

    @classmethod
    def again(cls, accounts: Sequence[str]) -> ScoresDiffer:
        return cls(
            f"{len(accounts)} listed accounts score differently when scored again ({some_ids(accounts)}). "
            "Nothing is published. Report it with the manifest of the last good night."
        )
