"""The night as an Airflow 3 DAG: one task that may be tried again, since a finished night is a no-op.

Put this file into the dags folder; FOLDER has recoup's params and its environment. Ends that want a person fail for
good, others are retried.
"""

from __future__ import annotations

import datetime as dt
import subprocess

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException

FOLDER = "/srv/recoup"
WANTS_A_PERSON = {2, 65, 66, 77, 78}  # docs/operations.md says what each means


@dag(
    dag_id="recoup",
    schedule="0 2 * * *",
    start_date=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": dt.timedelta(minutes=15)},
)
def recoup():
    @task
    def night(data_interval_end: dt.datetime | None = None) -> None:
        day = (data_interval_end or dt.datetime.now(dt.UTC)).date().isoformat()
        done = subprocess.run([".venv/bin/recoup", "run", "--as-of", day], cwd=FOLDER, check=False)
        if done.returncode in WANTS_A_PERSON:
            raise AirflowFailException(f"recoup ended with {done.returncode}; its last line says what to do.")
        done.check_returncode()

    night()


recoup()
