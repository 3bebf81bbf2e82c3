"""A limit into which one shard does not fit is refused before anything is in, with the number of shards that do."""

from __future__ import annotations

import re

import pytest

from features.errors import UsageError
from pipeline.intake import shard_size
from pipeline.intake.ingest import ingest
from pipeline.intake.shard_size import check_fits, largest_shard, row_bytes
from pipeline.store.files import DataFile
from pipeline.store.store import Store
from tests.worlds.deliveries import PARAMS, account, payment, world, write


def file_of(shard: int, rows: int, tmp_path) -> DataFile:
    return DataFile(str(shard), "0" * 64, rows, 1, tmp_path / "none")


def test_a_row_is_counted_as_a_night_holds_it():
    """Balances: account number, day, balance, arrears, days past due, and when it was known, as instant and day."""
    assert row_bytes("balances") == 8 + 4 + 8 + 8 + 4 + 8 + 4
    assert row_bytes("accounts") > row_bytes("payments") > row_bytes("balances")


def test_the_largest_shard_decides_and_so_many_more_would_fit(tmp_path):
    files = {"balances": [file_of(0, 1_000, tmp_path), file_of(1, 3_000, tmp_path)], "statuses": []}
    files["payments"] = [file_of(0, 10, tmp_path)]
    needed = 3_000 * row_bytes("balances")
    assert largest_shard(files) == needed
    check_fits(files, 2, needed, "132KB")
    with pytest.raises(UsageError, match=r"of 2 shards needs 0.1 MB .* engine.memory_limit '66KB' .* to 4 or more"):
        check_fits(files, 2, needed // 2, "66KB")
    assert largest_shard({}) == 0


def test_the_first_delivery_is_refused_whole_and_the_next_number_of_shards_is_right(tmp_path, monkeypatch):
    """The engine needs some ten megabytes whatever it reads; rows are made as heavy as a large delivery's are many."""
    many = [account(account_id=f"A{number}", debtor_id=f"D{number}") for number in range(400)]
    paid = [payment(payment_id=f"P{number}", account_id=f"A{number % 400}") for number in range(2_000)]
    source = write(tmp_path / "source", world(accounts=many, payments=paid, charges=[]) | {"balances": []})
    (source / "balances.csv").unlink()
    write(source, {"charges": [{**world()["charges"][0], "account_id": "A1"}]})
    heavy = shard_size.row_bytes
    monkeypatch.setattr(shard_size, "row_bytes", lambda name: heavy(name) * 1_000)
    tight = PARAMS.model_copy(update={"engine": PARAMS.engine.model_copy(update={"memory_limit": "60MB"})})
    for dry_run in (True, False):
        with pytest.raises(
            UsageError, match=r"The largest of 4 shards needs .* Set store.shards to \d+ or more"
        ) as refused:
            ingest(source, tmp_path / "store", tight, dry_run=dry_run)
    assert not (tmp_path / "store").exists()
    enough = int(re.search(r"to (\d+) or more", str(refused.value))[1])
    fits = tight.model_copy(update={"store": tight.store.model_copy(update={"shards": enough + 1})})
    ingest(source, tmp_path / "store", fits)
    assert Store(tmp_path / "store").rows()["payments"] == 2_000
