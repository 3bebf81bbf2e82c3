"""A book of one account whose labels are known by hand."""

from __future__ import annotations

from features.cohort import scorable
from features.labels import labels
from features.ledger import history
from features.terms import LabelTerms, Terms
from tests.worlds.cases import FAR
from tests.worlds.worlds import World

DECIMALS = {"EUR": 2, "JPY": 0}


def labelled(world: World, as_of, label: LabelTerms, complete_through: int = FAR, terms: Terms = Terms(), make=labels):  # noqa: B008
    """The cohort's frame and its labels."""
    tables = world.tables()
    ledger = history(tables, terms)
    frame = scorable(tables, ledger, as_of, terms).frame
    return frame, make(frame, tables, ledger, label, complete_through, DECIMALS)


def of_book() -> World:
    """Three accounts in two months: one pays at once, one late, one is sold; another currency pays nothing."""
    world = World().deliver("accounts", "charges", "payments", "statuses")
    for account_id, currency in (("a", "EUR"), ("b", "EUR"), ("c", "EUR"), ("d", "JPY")):
        world.account(account_id, opened_on="2024-01-01", currency=currency).charge(
            "2024-02-20", 1000, account_id=account_id
        )
    world.payment("2024-03-01 10:00", 100, account_id="a").payment(
        "2024-03-06", 300, account_id="b", known_at="2024-03-09"
    )
    return world.status("sold", "2024-03-03", account_id="c")


MARCH = LabelTerms(horizon_days=7, maturity_days=3, default_dpd=90, default_horizon_days=7)
