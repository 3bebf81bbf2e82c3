"""The night as a Dagster job with a schedule: one op that may be tried again, since a finished night is a no-op.

FOLDER has recoup's params and its environment. Ends that want a person fail for good, others are retried.
"""

import datetime as dt
import subprocess

from dagster import (
    Config,
    DefaultScheduleStatus,
    Definitions,
    Failure,
    OpExecutionContext,
    RetryPolicy,
    RunRequest,
    job,
    op,
    schedule,
)

FOLDER = "/srv/recoup"
WANTS_A_PERSON = {2, 65, 66, 77, 78}  # docs/operations.md says what each means


class Night(Config):
    as_of: str = ""  # the day on which the list is worked; empty: today


@op(retry_policy=RetryPolicy(max_retries=3, delay=900))
def night(context: OpExecutionContext, config: Night) -> None:
    day = config.as_of or dt.datetime.now().astimezone().date().isoformat()
    done = subprocess.run([".venv/bin/recoup", "run", "--as-of", day], cwd=FOLDER, check=False)
    if done.returncode in WANTS_A_PERSON:
        raise Failure(f"recoup ended with {done.returncode}; its last line says what to do.", allow_retries=False)
    done.check_returncode()
    context.log.info("The list of %s is published.", day)


@job
def recoup():
    night()


@schedule(cron_schedule="0 2 * * *", job=recoup, default_status=DefaultScheduleStatus.RUNNING)
def nightly(context):
    day = context.scheduled_execution_time.date().isoformat()
    return RunRequest(run_key=day, run_config={"ops": {"night": {"config": {"as_of": day}}}})


defs = Definitions(jobs=[recoup], schedules=[nightly])
