"""Work for a cluster that goes wrong in a way that no store can be made to."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

from features.errors import RecoupError
from pipeline.panel.engines import map_shards
from pipeline.params import Engine


def end_own_process(shard: int) -> int:
    """Of shard 2 alone, as the system does where a process takes more memory than there is."""
    if shard == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return shard


def one_that_ends_its_process(master: str) -> None:
    """Prints what becomes of four shards of which one cannot be worked."""
    tell(end_own_process, master)


def cluster_that_goes(master: str) -> None:
    """Prints what becomes of four shards whose application ends before they are done."""
    from pyspark import SparkContext

    threading.Timer(1.0, SparkContext._active_spark_context.stop).start()
    tell(take_a_minute, master)


def take_a_minute(shard: int) -> int:
    time.sleep(60)
    return shard


def tell(function: Callable[[int], int], master: str) -> None:
    try:
        print(list(map_shards(function, range(4), Engine(workers=1, spark=master, memory_limit="1GB"))))
    except RecoupError as error:
        print(type(error).__name__, error.exit_code, error)
