"""How long the desk takes to answer at the moment of contact: python -m benchmarks.desk [--debtors N] [--copies N].

A made-up store is opened as `recoup serve --check` opens it, in a process of its own, and asked over HTTP, one
question after another over a connection that stays open. copies: every account of the simulated ones again under
other names, for a large store is quicker to copy than to simulate. Prints how long opening took, with how much
memory, and the milliseconds of the answers: on the channels that the params plan with; on another one; and of
accounts of which a contact was posted just before, with how long that took.
"""

from __future__ import annotations

import argparse
import datetime as dt
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.intake.ingest import ingest
from pipeline.params import Params, load
from pipeline.simulate.portfolio import simulate
from pipeline.store.store import Store

TOKEN = "a token of the benchmark"
NIGHT = dt.datetime(2026, 10, 1, 6, 0, tzinfo=dt.UTC)
PLANNED, ELSE = ("call", "sms", "email"), ("letter",)
POSTED = 20  # contacts, each with questions about its account after it


def copied(source: Path, goal: Path, copies: int, first: int = 0) -> None:
    """The tables of a delivery so many times, each time with names of its own for whatever has an id. first: the number
    of the first copy, in its names.
    """
    for place in sorted(source.glob("*.parquet")):
        rows = pq.read_table(place)
        (goal / place.stem).mkdir(parents=True)
        for number in range(first, first + copies):
            pq.write_table(renamed(rows, f"c{number}"), goal / place.stem / f"part-{number:03}.parquet")
        control = json.loads((source / f"{place.stem}.control.json").read_text(encoding="utf-8"))
        told = {"rows": control["rows"] * copies, "complete_through": control["complete_through"]}
        (goal / f"{place.stem}.control.json").write_text(json.dumps(told), encoding="utf-8")


def renamed(rows: pa.Table, mark: str) -> pa.Table:
    """The rows with the mark at the end of whatever is an id."""
    for name in [name for name in rows.column_names if name.endswith("_id") or name == "reverses"]:
        at, own = rows.column_names.index(name), rows[name]
        again = pc.binary_join_element_wise(own, pa.scalar(mark), "-")
        rows = rows.set_column(at, name, pc.if_else(pc.equal(own, ""), own, again))
    return rows


def stored(folder: Path, debtors: int, copies: int, params: Params) -> Path:
    simulate(debtors, 7, folder / "simulated", months=6, file_format="parquet")
    shutil.rmtree(folder / "simulated" / "truth")
    copied(folder / "simulated", folder / "source", copies)
    ingest(folder / "source", folder / "store", params)
    return folder / "store"


def answering(store: Path, params: Params, port: int) -> None:
    """`recoup serve --check`, for which it is NIGHT; at its end it says what the decisions alone took."""
    from pipeline import serving

    honest, took = serving.Counter.ask, dict[bool, list[float]]()

    def timed(counter, question, now):
        began = time.thread_time()
        answer = honest(counter, question, now)  # an account that is not scorable raises, and does not count
        took.setdefault(question["channel"] in PLANNED, []).append((time.thread_time() - began) * 1e3)
        return answer

    serving._now, serving.Counter.ask = (lambda: NIGHT), timed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        serving.serve(store, params, TOKEN, "127.0.0.1", port)
    finally:
        for planned, own in sorted(took.items(), reverse=True):
            what = "channels planned with" if planned else "another channel"
            print(f"processor time of the decision alone, {what}: {shown(np.array(own))}", flush=True)


def opened(store: Path, params_file: Path) -> tuple[subprocess.Popen[bytes], int]:
    """The process that answers, once it does, and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = ["--answer", str(store), "--params", str(params_file), "--port", str(port)]
    started = subprocess.Popen([sys.executable, "-m", "benchmarks.desk", *given])
    while True:
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return started, port
        if started.poll() is not None:
            sys.exit("The desk did not open.")
        time.sleep(0.1)


class Dialler:
    """Asks over one connection. said: how often each answer was given; known: accounts that could be asked about."""

    def __init__(self, port: int) -> None:
        self.connection, self.draw = http.client.HTTPConnection("127.0.0.1", port), random.Random(1)
        self.said: dict[str, int] = {}
        self.known: list[str] = []

    def sent(self, path: str, body: object) -> tuple[float, dict[str, object]]:
        """Milliseconds, and the answer."""
        began = time.perf_counter()
        self.connection.request("POST", path, json.dumps(body), {"Authorization": f"Bearer {TOKEN}"})
        answer = json.loads(self.connection.getresponse().read())
        return (time.perf_counter() - began) * 1e3, answer

    def asks(self, accounts: list[str], channels: tuple[str, ...], many: int) -> np.ndarray:
        """Milliseconds of each answer about accounts and channels by chance, at any minute of fifteen hours. Accounts
        that are not scorable are said to be unknown at once, and do not count.
        """
        found = list[float]()
        while len(found) < many:
            at = NIGHT + dt.timedelta(minutes=self.draw.randrange(60 * 15))
            account, channel = self.draw.choice(accounts), self.draw.choice(channels)
            took, told = self.sent("/check", {"account_id": account, "channel": channel, "at": at.isoformat()})
            if told["answer"] != "unknown":
                found.append(took)
                self.known.append(account)
            self.said[str(told["answer"])] = self.said.get(str(told["answer"]), 0) + 1
        return np.array(found)

    def posts(self, account: str) -> float:
        """A call that nobody answered; milliseconds until it counts."""
        told = {"contact_id": f"NEW-{account}", "account_id": account, "occurred_at": NIGHT.isoformat()}
        took, answer = self.sent(
            "/contacts", told | {"channel": "call", "direction": "outbound", "outcome": "no_answer"}
        )
        assert answer.get("accepted") == 1, answer
        return took


def shown(milliseconds: np.ndarray) -> str:
    p50, p90, p99, most = np.percentile(milliseconds, [50, 90, 99, 100])
    return f"p50 {p50:.1f} ms, p90 {p90:.1f} ms, p99 {p99:.1f} ms, the longest {most:.0f} ms"


def memory_of(number: int) -> int:
    """MiB that a process holds now."""
    held = Path(f"/proc/{number}/status").read_text(encoding="utf-8")
    return int(next(line for line in held.splitlines() if line.startswith("VmRSS")).split()[1]) >> 10


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told.add_argument("--debtors", type=int, default=20_000, help="To be simulated; most have one account or two.")
    told.add_argument("--copies", type=int, default=1)
    told.add_argument("--asked", type=int, default=5_000)
    told.add_argument("--store", type=Path, help="A store that is there already, of the params beside.")
    told.add_argument("--params", type=Path, default=Path("params.yaml"))
    told.add_argument("--keep", type=Path, help="Where the store is made, to be asked again.")
    for hidden in ("--answer", "--port"):
        told.add_argument(hidden, help=argparse.SUPPRESS)
    given = told.parse_args()
    params = load(given.params)
    if given.answer:
        answering(Path(given.answer), params, int(given.port))
        return
    with tempfile.TemporaryDirectory() as folder:
        store = given.store or stored(given.keep or Path(folder), given.debtors, given.copies, params)
        ids = Store(store).tables(None, ["accounts"], {"accounts": ["account_id"]})["accounts"]["account_id"]
        accounts = ids.astype(object).unique().tolist()
        began = time.perf_counter()
        server, port = opened(store, given.params)
        took = time.perf_counter() - began
        held, dialler = memory_of(server.pid), Dialler(port)
        planned, other = dialler.asks(accounts, PLANNED, given.asked), dialler.asks(accounts, ELSE, given.asked // 10)
        called = dialler.known[:POSTED]
        posted = np.array([dialler.posts(account) for account in called])
        after = dialler.asks(called, PLANNED, 10 * POSTED)
        server.send_signal(signal.SIGTERM)
        _, _, used = os.wait4(server.pid, 0)
        processor = used.ru_utime + used.ru_stime
        print(f"{len(accounts):,} accounts: open after {took:.0f} s")
        print(f"{held:,} MiB once open, {used.ru_maxrss >> 10:,} MiB at most")
        print(f"{processor:.0f} s of processor time with all answers ({said_of(dialler)})")
        print(f"channels planned with, {len(planned):,} questions: {shown(planned)}")
        print(f"another channel, {len(other):,} questions: {shown(other)}")
        print(f"a contact taken in, {len(posted):,} times: {shown(posted)}")
        print(f"about those accounts, {len(after):,} questions: {shown(after)}")


def said_of(dialler: Dialler) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(dialler.said.items()))


if __name__ == "__main__":
    main()
