"""The same function over every shard: in process, in threads, over a process pool, or by Spark. Results come in shard
order, whoever made them. SCHEDULERS maps a name to the function that does it: another one is another line.
"""

from __future__ import annotations

import os
import pickle
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from features.errors import RecoupError, UsageError
from pipeline.params import Engine

WATCH_SECONDS = 0.5
SPARK_TRIES = "4"  # of a task, where spark.task.maxFailures says nothing

Item = TypeVar("Item")
Result = TypeVar("Result")
Scheduler = Callable[[Callable[[Any], Any], Sequence[Any], Engine], Iterator[Any]]


class ShardFailed(RecoupError):
    """A shard whose process ended each time."""

    @classmethod
    def each_time(cls, where: str, tries: int) -> ShardFailed:
        return cls(
            f"{where} failed {tries} times: its process on the cluster ended before it was done, as where it takes "
            "more memory than the machine has. Nothing was half-written. Give executors more memory, or fewer cores, "
            "and run again; or ingest into a store of more shards."
        )

    @classmethod
    def by(cls, kind: str, met: str) -> ShardFailed:
        return cls(f"A bug: {kind} {met}. Report it.")

    @classmethod
    def worker(cls, where: str) -> ShardFailed:
        return cls(
            f"{where}, or one of those worked beside it, ended its process, as where it takes more memory than the "
            "machine has. Nothing was half-written. Set engine.workers lower and run again, "
            "or ingest into a store of more shards."
        )


class ClusterAway(RecoupError):
    """The cluster ended what it was asked to do."""

    exit_code = 69

    @classmethod
    def ended(cls, master: str) -> ClusterAway:
        return cls(
            f"Spark at {master!r} ended the work before it was done. Nothing was half-written. "
            "See that its master and workers stand, and run again; its own log says why."
        )


def map_shards(
    function: Callable[[Item], Result], items: Iterable[Item], engine: Engine, threads: bool = False
) -> Iterator[Result]:
    """Yield function(item) in the order of the items.

    engine.workers: that many spawned processes; a process never holds more than one item at a time, so memory is
    bounded by `workers` shards. engine.spark: the address of a Spark master, one task per item instead; its machines
    must see the same store and output under the same paths and have this package installed. The function, its items and
    its results must be picklable; a function that writes must bear to be run twice at once, for a cluster may take a
    machine for lost that goes on.
    threads: threads of this process instead of processes, for work that reads and runs compiled loops and hands back
    large frames. A terminal sees a bar. An error that is no refusal bears `met`, the words for the shard and the place
    where it was met. Raises UsageError where Spark is asked for and cannot be had, ShardFailed where a shard's process
    ended each time, ClusterAway where the cluster itself gave up.
    """
    items = list(items)
    work = SCHEDULERS[scheduler_of(engine, threads)]
    results = work(partial(_named, function), items, engine)
    yield from tqdm(results, "shards", len(items), leave=False, disable=None, file=sys.stderr)


def scheduler_of(engine: Engine, threads: bool = False) -> str:
    """Who does the work: a name of SCHEDULERS."""
    if engine.spark is not None:
        return "spark"
    if engine.workers == 1:
        return "here"
    return "threads" if threads else "workers"


def elsewhere(engine: Engine) -> bool:
    """Whether tasks run on machines whose memory is not this one's."""
    return scheduler_of(engine) in ELSEWHERE


def shard_of(item: object) -> str:
    """The words for what was worked: an item is the number of a shard, or begins with it."""
    number = item[0] if isinstance(item, tuple) else item
    return f"shard {number}" if isinstance(number, int) else "a shard"


def _named(function: Callable[[Item], Result], item: Item) -> Result:
    """Have an error that is no refusal say in which shard it was met, and where: the trace stays in its process."""
    try:
        return function(item)
    except RecoupError:
        raise
    except Exception as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        at = "" if trace is None else f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        error.met = f"in {shard_of(item)}{at}"  # pyrefly: ignore[missing-attribute]
        raise


def _here(function: Callable[[Item], Result], items: Sequence[Item], _: Engine) -> Iterator[Result]:
    yield from map(function, items)


def _in_threads(function: Callable[[Item], Result], items: Sequence[Item], engine: Engine) -> Iterator[Result]:
    with ThreadPoolExecutor(engine.workers) as pool:
        yield from pool.map(function, items)


def _in_workers(function: Callable[[Item], Result], items: Sequence[Item], engine: Engine) -> Iterator[Result]:
    start, done = partial(_end_with, os.getpid()), 0
    with ProcessPoolExecutor(engine.workers, mp_context=get_context("spawn"), initializer=start) as pool:
        try:
            for result in pool.map(function, items):
                done += 1
                yield result
        except BrokenProcessPool:
            raise ShardFailed.worker(shard_of(items[done]).capitalize()) from None


def _end_with(parent: int) -> None:
    """Have a worker end within a second of the process it works for, however that one was ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _on_spark(function: Callable[[Item], Result], items: Sequence[Item], engine: Engine) -> Iterator[Result]:
    master = str(engine.spark)
    if not items:
        return
    try:
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError:
        raise UsageError(
            "engine.spark of the params needs pyspark. Run `make spark`, or set engine.spark to null."
        ) from None
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else tasks run on whatever python3 is
    try:
        quiet: dict[str, Any] = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.log.level": "OFF",  # from its start: a master that is away fills pages with traces
            "spark.driver.maxResultSize": "0",  # what comes back is what any scheduler hands back
        }
        session = SparkSession.builder.master(master).appName("recoup").config(map=quiet).getOrCreate()
        context = session.sparkContext
        context.setLogLevel("OFF")  # its traces can hold cells
    except (PySparkException, Py4JError):
        raise UsageError(
            f"Spark does not start at {master!r}. Install Java 17 or later, "
            "see that engine.spark names a master, or set it to null."
        ) from None
    most = context.getConf().get("spark.task.maxFailures", SPARK_TRIES)
    tries = 1 if master.startswith("local") else int(str(most))
    context.setJobDescription(f"{_name_of(function)} of {len(items)} shards")
    try:
        found = context.parallelize(items, len(items)).map(partial(_attempt, function, tries)).collect()
    except (PySparkException, Py4JError) as error:
        lost = re.search(r"Task (\d+) in stage \S+ failed (\d+) times", str(error))
        if lost is None:
            raise ClusterAway.ended(master) from None
        raise ShardFailed.each_time(shard_of(items[int(lost[1])]).capitalize(), int(lost[2])) from None
    for failed, result in found:
        if failed:
            raise result
        yield result


def _name_of(function: Callable[..., Any]) -> str:
    """The work's own name, as Spark's pages and its event log say it."""
    while isinstance(function, partial):
        function = function.args[0] if function.func is _named else function.func
    return function.__name__.removeprefix("_")


def _attempt(function: Callable[[Item], Result], tries: int, item: Item) -> tuple[bool, Any]:
    """Whether it failed, and the result or what it failed by. A refusal is a result like any other: Spark would try it
    again, and wrap its sentence. Another error is raised, for it may be the machine's, until it comes at the last try.
    """
    try:
        return False, function(item)
    except RecoupError as refusal:
        return True, refusal
    except Exception as error:
        from pyspark import TaskContext

        task = TaskContext.get()
        if task is not None and task.attemptNumber() + 1 < tries:
            raise
        error.met = f"{getattr(error, 'met', shard_of(item))}, tried {tries} times"  # pyrefly: ignore[missing-attribute]
        return True, _portable(error)


def _portable(error: Exception) -> Exception:
    """The error as it comes out at the other end; of a kind that does not bear the way, its name."""
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:
        return ShardFailed.by(type(error).__name__, getattr(error, "met", "in a shard"))


SCHEDULERS: Mapping[str, Scheduler] = {
    "here": _here,
    "threads": _in_threads,
    "workers": _in_workers,
    "spark": _on_spark,
}
ELSEWHERE = ("spark",)
