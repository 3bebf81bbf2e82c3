"""How long the desk takes to answer at the moment of contact: python -m benchmarks.desk [--debtors N].

A made-up store is opened as `recoup serve --check` opens it, and asked over HTTP, one question after another.
"""

from __future__ import annotations

import argparse
import datetime as dt
import http.client
import json
import random
import socket
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from pipeline.intake.ingest import ingest
from pipeline.params import Params, load
from pipeline.serving import Counter, application
from pipeline.simulate.portfolio import simulate
from pipeline.store.store import Store

TOKEN = "a token of the benchmark"
NIGHT = dt.datetime(2026, 10, 1, 6, 0, tzinfo=dt.UTC)


def opened(store: Path, params: Params) -> tuple[Counter, int, float]:
    """The counter, its port, and the seconds until it could answer."""
    import uvicorn

    began = time.perf_counter()
    counter = Counter(store, params, NIGHT)
    took = time.perf_counter() - began
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = uvicorn.Config(
        application(counter, TOKEN), host="127.0.0.1", port=port, log_config=None, access_log=False
    )
    server = uvicorn.Server(settings)
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.02)
    return counter, port, took


def asked(port: int, accounts: list[str], many: int, seed: int = 1) -> np.ndarray:
    """Milliseconds of each answer, over one connection that stays open."""
    draw, found = random.Random(seed), []
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(many):
        at = NIGHT + dt.timedelta(minutes=draw.randrange(60 * 15))
        question = {"account_id": draw.choice(accounts), "channel": draw.choice(["call", "sms"]), "at": at.isoformat()}
        began = time.perf_counter()
        connection.request("POST", "/check", json.dumps(question), {"Authorization": f"Bearer {TOKEN}"})
        answer = json.loads(connection.getresponse().read())
        found.append((time.perf_counter() - began) * 1e3)
        assert answer["answer"] in ("permitted", "deferred", "excluded"), answer
    return np.array(found)


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--debtors", type=int, default=20_000, help="Of the made-up store; most have one account or two.")
    told.add_argument("--asked", type=int, default=5_000)
    told.add_argument("--store", type=Path, help="A store that is there already, of the params beside.")
    told.add_argument("--params", type=Path, default=Path("params.yaml"))
    given = told.parse_args()
    params = load(given.params)
    with tempfile.TemporaryDirectory() as folder:
        store = given.store
        if store is None:
            simulate(given.debtors, 7, Path(folder) / "source", months=12)
            store = Path(folder) / "store"
            ingest(Path(folder) / "source", store, params)
        counter, port, took = opened(store, params)
        accounts = [name for shelf in counter.desk.shelves() for name in shelf.rows]
        told_of = asked(port, accounts, given.asked)
        held = Store(store).tables(None, ["accounts"], {"accounts": ["account_no"]})["accounts"]
        known = held["account_no"].nunique()
        p50, p90, p99 = np.percentile(told_of, [50, 90, 99])
        print(f"{known:,} accounts, {len(accounts):,} of them scorable: open after {took:.1f} s")
        print(f"{given.asked:,} answers over HTTP: p50 {p50:.2f} ms, p90 {p90:.2f} ms, p99 {p99:.2f} ms.")


if __name__ == "__main__":
    main()
