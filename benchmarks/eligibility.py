"""Seconds of eligibility for a large book, against reading the same contact columns from Parquet.

    python -m benchmarks.eligibility [accounts, default 200000] [contacts per account, default 30]

Made-up accounts in five books over fifteen places; the log spans two years. One process, as for one shard: seconds grow with the rows.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.tables import NO_DAY, NO_MONEY
from pipeline.eligibility import load_rules, verdicts
from pipeline.params import load

AS_OF = 20_780  # 2026-11-23
DAY_US = 86_400_000_000
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


def book(accounts: int, each: int) -> dict[str, pd.DataFrame]:
    random = np.random.default_rng(1)
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
            "jurisdiction": pd.Categorical([BOOKS[b][1][h % len(BOOKS[b][1])] for b, h in zip(which, home, strict=True)]),
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
            "channel": pd.Categorical.from_codes(random.choice(4, rows, p=[0.6, 0.2, 0.15, 0.05]), ["call", "sms", "email", "letter"]),
            "direction": pd.Categorical.from_codes(np.zeros(rows, np.int8), ["outbound"]),
            "outcome": pd.Categorical.from_codes(random.choice(7, rows, p=[0.5, 0.15, 0.1, 0.04, 0.2, 0.001, 0.009]), OUTCOMES),
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
    accounts, each = (int(text) for text in (sys.argv[1:] + ["200000", "30"][len(sys.argv) - 1 :]))
    params, rules = load(Path("params.yaml")), load_rules()
    tables = book(accounts, each)
    through = {"contacts": AS_OF - 1, "statuses": AS_OF - 1}
    small = {name: frame[frame["account_no"].isin(tables["accounts"]["account_no"][:500])] for name, frame in tables.items()}
    verdicts(small["accounts"], small, rules, params, AS_OF, through)  # compile before the clock runs
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "contacts.parquet"
        pq.write_table(pa.Table.from_pandas(tables["contacts"], preserve_index=False), place)
        wall, core = time.perf_counter(), time.process_time()
        pq.read_table(place).to_pandas()
        reading = time.perf_counter() - wall, time.process_time() - core
    wall, core = time.perf_counter(), time.process_time()
    found = verdicts(tables["accounts"], tables, rules, params, AS_OF, through)
    deciding = time.perf_counter() - wall, time.process_time() - core
    print(f"{accounts:,} accounts, {accounts * each:,} contacts: {found.accounts['group'].value_counts().to_dict()}")
    for name, (seconds, of_core) in (("reading the contacts", reading), ("eligibility", deciding)):
        print(f"{name:22} {seconds:6.1f} s wall, {of_core:6.1f} s of cores")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")


if __name__ == "__main__":
    main()
