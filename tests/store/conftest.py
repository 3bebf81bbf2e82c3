"""A store of one delivery, to read and to change."""

from __future__ import annotations

import subprocess

import pytest

from pipeline.intake.ingest import ingest
from pipeline.store.store import Store
from tests.worlds.deliveries import PARAMS, PAYMENTS, account, contact, payment, status, world, write


def full_world(accounts=40):
    """Some accounts in every shard, several events each."""
    many = [
        account(account_id=f"M{number}", debtor_id=f"D{number // 2}", x_score=str(number)) for number in range(accounts)
    ]
    paid = [
        payment(
            payment_id=f"Q{number}-{turn}",
            account_id=f"M{number}",
            occurred_at=f"2026-02-{turn * 5 + 1:02}",
            method="card",
        )
        for number in range(accounts)
        for turn in range(3)
    ]
    called = [contact(contact_id=f"K{number}", account_id=f"M{number}", agent="a1") for number in range(accounts)]
    return world(accounts=many, payments=[*PAYMENTS, *paid], contacts=called, statuses=[status(until_on="2026-03-01")])


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """A store of one delivery. Tests only read it."""
    place = tmp_path_factory.mktemp("held")
    ingest(write(place / "source", full_world()), place / "store", PARAMS)
    return Store(place / "store")


@pytest.fixture
def own(held, tmp_path):
    """The same store again, for a test that changes it."""
    subprocess.run(["cp", "-r", str(held.path), str(tmp_path / "store")], check=True)
    return Store(tmp_path / "store")
