"""The same function over every shard: in process, over a process pool, or by Spark. Results come in shard order,
whoever made them.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, TypeVar

from tqdm import tqdm

from features.errors import RecoupError, UsageError
from pipeline.params import Engine

WATCH_SECONDS = 0.5

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_shards(
    function: Callable[[Item], Result], items: Iterable[Item], engine: Engine, threads: bool = False
) -> Iterator[Result]:
    """Yield function(item) in the order of the items.

    engine.workers: that many spawned processes; a process never holds more than one item at a time, so memory is
    bounded by `workers` shards. engine.spark: the address of a Spark master, one task per item instead; its machines
    must see the same store and output under the same paths and have this package installed. The function, its items and
    its results must be picklable.
    threads: threads of this process instead of processes, for work that reads and runs compiled loops and hands back
    large frames. A terminal sees a bar. Raises UsageError where Spark is asked for and cannot be had.
    """
    items = list(items)
    yield from tqdm(
        _results(function, items, engine, threads), "shards", len(items), leave=False, disable=None, file=sys.stderr
    )


def _results(
    function: Callable[[Item], Result], items: Sequence[Item], engine: Engine, threads: bool
) -> Iterator[Result]:
    if engine.spark is not None:
        yield from _on_spark(function, items, engine.spark)
    elif engine.workers == 1:
        yield from map(function, items)
    elif threads:
        with ThreadPoolExecutor(engine.workers) as pool:
            yield from pool.map(function, items)
    else:
        start = partial(_end_with, os.getpid())
        with ProcessPoolExecutor(engine.workers, mp_context=get_context("spawn"), initializer=start) as pool:
            yield from pool.map(function, items)


def _end_with(parent: int) -> None:
    """Have a worker end within a second of the process it works for, however that one was ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _on_spark(function: Callable[[Item], Result], items: Sequence[Item], master: str) -> Iterator[Result]:
    if not items:
        return
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError:
        raise UsageError(
            "engine.spark of the params needs pyspark. Run `make spark`, or set engine.spark to null."
        ) from None
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else tasks run on whatever python3 is
    try:
        quiet: dict[str, Any] = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
        session = SparkSession.builder.master(master).appName("recoup").config(map=quiet).getOrCreate()
        session.sparkContext.setLogLevel("OFF")  # its traces can hold cells
    except PySparkException:
        raise UsageError(
            f"Spark does not start at {master!r}. Install Java 17 or later, "
            "see that engine.spark names a master, or set it to null."
        ) from None
    for result in session.sparkContext.parallelize(items, len(items)).map(partial(_attempt, function)).collect():
        if isinstance(result, RecoupError):
            raise result
        yield result


def _attempt(function: Callable[[Item], Result], item: Item) -> Result | RecoupError:
    """A refusal is a result like any other: Spark would try it again, and wrap its sentence."""
    try:
        return function(item)
    except RecoupError as refusal:
        return refusal
