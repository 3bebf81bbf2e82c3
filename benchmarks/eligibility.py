"""Seconds of eligibility for a large book, against reading the same contact columns from Parquet.

    python -m benchmarks.eligibility [accounts, default 200000] [contacts per account, default 30] [shards, default 1]

Made-up accounts in five books over fifteen places; the log spans two years. One process works one shard after another,
as a night does; memory is that of one shard. The choice of channel reads the same log and is timed beside it.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.days import DAY_US
from features.tables import NO_DAY, NO_MONEY
from models.response import answer_counts
from pipeline.law.eligibility import rulings
from pipeline.law.question import Case
from pipeline.law.rule_file import load_rules
from pipeline.params import load

AS_OF = 20_780  # 2026-11-23
BOOKS = (
    (
        "bought_us",
        ("US-TX", "US-CA", "US-DC", "US-FL", "US-NY", "US-NY/NYC"),
        ("America/Chicago", "America/Los_Angeles", "America/New_York"),
    ),
    ("card_gb", ("GB-ENG", "GB-SCT", "GB-WLS"), ("Europe/London",)),
    ("loan_eu", ("FR", "DE", "ES", "IE"), ("Europe/Paris", "Europe/Berlin", "Europe/Madrid", "Europe/Dublin")),
    ("utility_us", ("US-MA", "US-NY"), ("America/New_York",)),
    ("invoices_jp", ("JP",), ("Asia/Tokyo",)),
)
OUTCOMES = ("no_answer", "right_party", "promise", "refusal", "delivered", "unsubscribed", "not_connected")


def book(accounts: int, each: int, seed: int = 1) -> dict[str, pd.DataFrame]:
    random = np.random.default_rng(seed)
    numbers = np.sort(random.integers(0, 2**62, accounts))
    owner = random.integers(0, max(accounts * 4 // 5, 1), accounts)
    home = owner % 60  # one home per debtor
    which = home % len(BOOKS)
    frame = pd.DataFrame(
        {
            "account_no": numbers,
            "account_id": pd.Series([f"a{number}" for number in range(accounts)], dtype="str"),
            "debtor_id": pd.Series([f"d{number}" for number in owner], dtype="str"),
            "portfolio": pd.Categorical([BOOKS[number][0] for number in which]),
            "debtor_type": pd.Categorical(["consumer"] * accounts),
            "jurisdiction": pd.Categorical(
                [BOOKS[b][1][h % len(BOOKS[b][1])] for b, h in zip(which, home, strict=True)]
            ),
            "time_zone": pd.Categorical([BOOKS[b][2][h % len(BOOKS[b][2])] for b, h in zip(which, home, strict=True)]),
            "days_past_due": random.integers(1, 1500, accounts).astype(np.int32),
            "known_on": np.int32(AS_OF - 800),
            "known_at": np.int64(0),
        }
    )
    rows = accounts * each
    day = np.sort(random.integers(AS_OF - 730, AS_OF, (accounts, each)), axis=1).ravel().astype(np.int32)
    at = day.astype(np.int64) * DAY_US + 50_000_000_000
    contacts = pd.DataFrame(
        {
            "account_no": np.repeat(numbers, each),
            "contact_id": pd.Series(pa.array([f"k{number}" for number in range(rows)]).to_pandas(), dtype="str"),
            "occurred_on": day,
            "occurred_at": at,
            "occurred_minute": np.int16(833),
            "channel": pd.Categorical.from_codes(
                random.choice(4, rows, p=[0.6, 0.2, 0.15, 0.05]), ["call", "sms", "email", "letter"]
            ),
            "direction": pd.Categorical.from_codes(np.zeros(rows, np.int8), ["outbound"]),
            "outcome": pd.Categorical.from_codes(
                random.choice(7, rows, p=[0.5, 0.15, 0.1, 0.04, 0.2, 0.001, 0.009]), OUTCOMES
            ),
            "promise_amount": np.where(random.random(rows) < 0.1, 10_000, NO_MONEY),
            "promise_due_on": (day + 10).astype(np.int32),
            "known_on": day,
            "known_at": at,
        }
    )
    stopped = np.sort(random.choice(numbers, accounts // 5, replace=False))
    kinds = ["dispute", "consent_sms", "notice_sent", "plan", "consent_email"]
    statuses = pd.DataFrame(
        {
            "account_no": stopped,
            "status": pd.Categorical.from_codes(random.integers(0, 5, stopped.size), kinds),
            "from_on": random.integers(AS_OF - 300, AS_OF, stopped.size).astype(np.int32),
            "until_on": np.int32(NO_DAY),
            "known_at": np.arange(stopped.size),
            "known_on": np.int32(AS_OF - 5),
            "detail": pd.Series([None] * stopped.size, dtype="str"),
        }
    )
    return {"accounts": frame, "contacts": contacts, "statuses": statuses}


def main() -> None:
    accounts, each, shards = (int(text) for text in (sys.argv[1:] + ["200000", "30", "1"][len(sys.argv) - 1 :]))
    params, rules = load(Path("params.yaml")), load_rules()
    through = {"contacts": AS_OF - 1, "statuses": AS_OF - 1}
    small = book(500, 3)
    rulings(Case(small["accounts"], small, rules, params, through), AS_OF)  # compile before the clock runs
    seconds = {name: np.zeros(2) for name in ("reading the contacts", "eligibility", "answers by channel")}
    groups: Counter[str] = Counter()
    for shard in range(shards):
        tables = book(accounts // shards, each, shard + 1)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "contacts.parquet"
            pq.write_table(pa.Table.from_pandas(tables["contacts"], preserve_index=False), place)
            with clock(seconds["reading the contacts"]):
                tables["contacts"] = pq.read_table(place).to_pandas()
        with clock(seconds["eligibility"]):
            found = rulings(Case(tables["accounts"], tables, rules, params, through), AS_OF)
        with clock(seconds["answers by channel"]):
            answer_counts(tables["contacts"], tables["accounts"], AS_OF)
        groups.update(found.accounts["group"].astype("str"))
    print(f"{accounts:,} accounts, {accounts * each:,} contacts in {shards} shards: {dict(groups)}")
    for name, (wall, core) in seconds.items():
        print(f"{name:22} {wall:6.1f} s wall, {core:6.1f} s of cores")
    (read, _), (decide, _) = seconds["reading the contacts"], seconds["eligibility"]
    print(f"eligibility takes {decide / read:.2f} of the time of reading, {decide - read:+.1f} s")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")


@contextmanager
def clock(seconds: np.ndarray) -> Iterator[None]:
    wall, core = time.perf_counter(), time.process_time()
    yield
    seconds += time.perf_counter() - wall, time.process_time() - core


if __name__ == "__main__":
    main()
