"""How fast a PostgreSQL database is read out, beside COPY to a file and to a client; and what a second ingest reads.

A server of its own, from the system's packages, made for this and gone afterwards. Prints seconds, least of three.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import adbc_driver_postgresql.dbapi as driver

from pipeline.intake.database import read_out
from pipeline.intake.postgres import postgres_snapshot
from pipeline.store.record import Mark
from tests.worlds.servers import Server, running_server

REPEATS = 3
PAYMENTS = """CREATE TABLE payments AS SELECT 'P' || g AS payment_id, 'A' || g % 200000 AS account_id,
    timestamptz '2024-01-01' + g * interval '37 seconds' AS occurred_at,
    ((g::bigint * 7919 % 1000000) / 100.0)::numeric(14,2) AS amount, 'payment'::text AS kind,
    NULL::text AS reverses, 'bank'::text AS method, timestamptz '2024-01-02' + g * interval '37 seconds' AS known_at
    FROM generate_series(1, {rows}) g"""


def least(work: Callable[[], object]) -> float:
    """Seconds of the quickest of three."""
    seconds = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def copied(server: Server, books: str) -> None:
    """COPY by the server, into a file of its own disk."""
    with closing(driver.connect(server.url(books), autocommit=True)) as connection, connection.cursor() as cursor:
        cursor.execute(f"COPY payments TO '{server.place}/payments.csv' (FORMAT csv, HEADER)")


def copied_by_client(server: Server, books: str) -> None:
    """COPY by psql, over the socket into a file of the client's."""
    told = f"\\copy payments TO '{server.place}/client.csv' (FORMAT csv, HEADER)"
    subprocess.run(["psql", server.url(books), "--quiet", "--command", told], check=True)


def read(server: Server, books: str, marks: Mapping[str, Mark]) -> Mapping[str, Mark]:
    """As an ingest reads it: into the folder that is then checked; marks: what an earlier one left."""
    with tempfile.TemporaryDirectory() as place, postgres_snapshot(server.url(books)) as snapshot:
        return read_out(snapshot, {"payments": "SELECT * FROM payments"}, marks, Path(place, "source"))[1].marks([])


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rows", type=int, default=1_000_000)
    rows = asked.parse_args().rows
    with running_server() as server:
        books = server.books({})
        server.run(books, PAYMENTS.format(rows=rows), "ANALYZE payments")
        by_server = least(lambda: copied(server, books))
        by_client = least(lambda: copied_by_client(server, books))
        ours = least(lambda: read(server, books, {}))
        marks = read(server, books, {})
        again = least(lambda: read(server, books, marks))
        print(f"{rows:,} payments of eight columns")
        print(f"COPY to a file of the server's   {by_server:6.2f} s")
        print(f"COPY to a file of the client's   {by_client:6.2f} s")
        print(f"read out as an ingest does       {ours:6.2f} s")
        print(f"read out again, nothing new      {again:6.2f} s")
        ratios = f"{by_server / ours:.2f} of the server's, {by_client / ours:.2f} of the client's"
        print(f"speed beside COPY                {ratios}")


if __name__ == "__main__":
    main()
