"""The engine: what it says stays inside, and it reads nothing but the delivery's own folders."""

from __future__ import annotations

from contextlib import closing
from itertools import product

import duckdb
import numpy as np
import pytest

from features.errors import CannotWrite, ContractError, RecoupError, UsageError
from pipeline.intake import engine as engine_room
from pipeline.intake import ingest as ingest_room
from pipeline.intake import sql as judging
from pipeline.intake.engine import engine
from pipeline.intake.ingest import ingest
from tests.worlds.deliveries import PARAMS, content, refusal, world, write


def test_what_the_engine_says_stays_inside(tmp_path, monkeypatch):
    """The canary: errors of the engine hold cells and never come out."""
    source = write(tmp_path / "source", world())
    for error, raised, match in (
        (duckdb.ConversionException("Zaphod"), RecoupError, r"could not be checked \(ConversionException\)"),
        (duckdb.IOException("No space left: Zaphod"), CannotWrite, r"The disk has no room"),
        (duckdb.IOException("Zaphod"), ContractError, r"cannot be read while checking"),
        (duckdb.OutOfMemoryException("Zaphod"), UsageError, r"needs more than engine.memory_limit '4GB'"),
        (duckdb.InterruptException("Zaphod"), KeyboardInterrupt, "^$"),
    ):

        def fail(*_, error=error):
            raise error

        monkeypatch.setattr(ingest_room._Intake, "_open_books", fail)
        with pytest.raises(raised, match=match) as refused:
            ingest(source, tmp_path / "store", PARAMS)
        assert "Zaphod" not in str(refused.value)


def test_a_memory_limit_that_is_none_is_a_mistake_in_the_params(tmp_path):
    odd = PARAMS.model_copy(update={"engine": PARAMS.engine.model_copy(update={"memory_limit": "plenty"})})
    refusal(
        tmp_path,
        UsageError,
        r"engine.memory_limit and engine.spill_limit of the params must be a number with a unit",
        params=odd,
    )


def test_what_spills_has_a_limit_and_is_swept(tmp_path):
    """The canary: with room to spill the same statement runs."""
    wide = (
        "SELECT sum(length(a)) FROM (SELECT range AS n, repeat(range::VARCHAR, 40) AS a FROM range(900_000) ORDER BY a)"
    )
    with engine([tmp_path], tmp_path / "spill", "150MB", "4GB") as opened:
        assert opened.rows(wide)[0][0] > 0
    tight = engine([tmp_path], tmp_path / "spill", "150MB", "20MB")
    with pytest.raises(UsageError, match=r"engine\.spill_limit '20MB' of the disk \(LIMIT_SPILL\)"), tight as opened:
        opened.rows(wide)
    assert list((tmp_path / "spill").glob("*")) == []


def test_the_tables_of_a_large_delivery_lie_in_a_file_and_the_store_is_the_same(tmp_path, monkeypatch):
    source = write(tmp_path / "source", world())
    ingest(source, tmp_path / "in-memory", PARAMS)
    monkeypatch.setattr(engine_room, "LARGE", 0.0)
    ingest(source, tmp_path / "in-a-file", PARAMS)
    assert content(tmp_path / "in-memory") == content(tmp_path / "in-a-file")
    assert not list((tmp_path / "in-a-file").rglob("tables.db*"))
    with engine([tmp_path], tmp_path / "spill", "100MB", "4GB", delivered=1) as opened:
        opened.run("CREATE TABLE numbers AS SELECT range AS n FROM range(500_000)")
        assert (tmp_path / "spill" / "tables.db").stat().st_size > 0
        assert opened.rows("SELECT sum(n) FROM numbers") == [(124_999_750_000,)]
    tight = engine([tmp_path], tmp_path / "tight", "100MB", "1MB", delivered=1)
    with pytest.raises(UsageError, match=r"engine\.spill_limit '1MB' of the disk \(LIMIT_SPILL\)"), tight as opened:
        opened.run("CREATE TABLE numbers AS SELECT hash(range) AS n FROM range(500_000)")


def test_days_are_counted_as_quantiles_are():
    with closing(duckdb.connect()) as connection:
        for seed, share in product(range(20), (0.0005, 0.05, 0.25, 0.5, 0.95, 0.999)):
            days = np.random.default_rng(seed).integers(0, 25, 3 * seed + 1).tolist()
            connection.execute("CREATE OR REPLACE TABLE standing_payments AS SELECT unnest(?) AS known_on", [days])
            counted = connection.execute(judging.known_quantile("payments", share)).fetchone()
            whole = "SELECT quantile_disc(known_on, ?) FROM standing_payments"
            assert counted == connection.execute(whole, [share]).fetchone()


def test_a_file_outside_the_delivery_cannot_be_read(tmp_path):
    """The canary: the same file is read where its folder is the delivery's."""
    for place in (tmp_path / "own" / "rows.csv", tmp_path / "other" / "rows.csv"):
        place.parent.mkdir()
        place.write_text("a\n1\n")
    with engine([tmp_path / "own"], tmp_path / "own" / "spill", "1GB") as opened:
        assert opened.count(f"'{tmp_path / 'own' / 'rows.csv'}'") == 1
    outside = f"'{tmp_path / 'other' / 'rows.csv'}'"
    own = engine([tmp_path / "own"], tmp_path / "own" / "spill", "1GB")
    with pytest.raises(RecoupError, match=r"could not be checked \(PermissionException\)"), own as opened:
        opened.count(outside)
