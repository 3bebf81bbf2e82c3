"""A bad night as its operator sees it: python -m benchmarks.shown writes docs/shown.md.

On the sample, in a folder of its own: a night killed twice and resumed, three nights made again in reverse order, a
night that is refused, a damaged store, a person who is forgotten and looked for. Every line shown was said by a
command; "..." stands for lines left out. About three minutes of processor time.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from tests.worlds.traces import traces

HOUSE = Path(__file__).parents[1]
PAGE, RECOUP = HOUSE / "docs" / "shown.md", Path(sys.executable).parent / "recoup"
NIGHTS = ("2026-09-29", "2026-09-30", "2026-10-01")
LATE = "2026-10-02"  # the sample ends before


class Desk:
    """A folder in which commands are given, and what was said there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out, self.lines = folder, folder / "work" / "out", list[str]()
        self.environment = {**os.environ, "PYTHONUNBUFFERED": "1"}

    def tells(self, *words: str) -> None:
        self.lines += ["", *words, ""]

    def give(self, *command: str, only: str = "", until: Callable[[], bool] | None = None) -> None:
        """A command, what it says (of long answers the lines that `only` is found in), and how it ends. until: it is
        killed once this is so.
        """
        started = subprocess.Popen(
            [str(RECOUP), *command], cwd=self.folder, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        while until is not None and started.poll() is None:
            if until():
                os.killpg(started.pid, signal.SIGKILL)
                break
            time.sleep(0.005)
        said, _ = started.communicate()
        ended = "killed by signal 9" if started.returncode < 0 else f"exit {started.returncode}"
        quoted = [f"'{word}'" if " " in word else word for word in command]
        self._show(" ".join(["recoup", *quoted]), said, only, f"[{ended}]")

    def shows(self, place: Path) -> None:
        self._show(f"cat {place.relative_to(self.folder)}", place.read_text(encoding="utf-8"), "", "")

    def _show(self, command: str, said: str, only: str, ended: str) -> None:
        shown = []
        for line in said.rstrip().splitlines():
            kept = not only or re.search(only, line)
            if kept or shown[-1:] != ["..."]:
                shown.append(line if kept else "...")
        self.lines += ["", f"    $ {command}", *(f"    {line}".rstrip() for line in (*shown, ended) if line), ""]

    def shards(self) -> int:
        """How many are finished of the night at work."""
        return sum(place.is_dir() for place in self.out.glob(".shards-*/[!.]*"))


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="recoup-shown-") as place:
        desk = Desk(Path(place))
        (desk.folder / "data").mkdir()
        shutil.copytree(HOUSE / "data" / "sample", desk.folder / "data" / "sample")
        shutil.copy(HOUSE / "params.yaml", desk.folder / "params.yaml")
        desk.lines += [
            "# A bad night, as its operator sees it",
            "",
            f"`python -m benchmarks.shown` wrote this page: {SAID}",
        ]
        cut_off(desk)
        in_reverse(desk)
        refused(desk)
        damaged(desk)
        forgotten(desk)
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(desk.lines)).strip() + "\n"
    PAGE.write_text(text.replace(place, "."), encoding="utf-8")


SAID = """every line below a command was
said by it, on the sample and without a model, so that an age-band table ranks. "..." stands for lines left out. What is
promised, and how often that was tried: [reliability](reliability.md); what to do: [operations](operations.md)."""


def cut_off(desk: Desk) -> None:
    for night in NIGHTS[:2]:
        given = [str(RECOUP), "run", "--as-of", night]
        subprocess.run(given, cwd=desk.folder, check=True, capture_output=True)
    desk.tells(
        "## A night killed twice, and resumed",
        "",
        f"The nights of {NIGHTS[0]} and {NIGHTS[1]} are published. The next is killed when its first shard is",
        "finished, and again when the third is.",
    )
    night = ("run", "--as-of", NIGHTS[2])
    desk.give(*night, until=lambda: desk.shards() >= 1)
    desk.shows(desk.out / "EXPIRED.txt")
    desk.give(*night, until=lambda: desk.shards() >= 3)
    desk.give(*night, only=r"INFO|List:")
    desk.tells("Given again there is nothing to do.")
    desk.give(*night)


def in_reverse(desk: Desk) -> None:
    desk.tells("## Three nights made again, the last one first")
    for night in reversed(NIGHTS):
        desk.give("reproduce", "--as-of", night, only=r"^file|scores|worklist|messages|manifest|differ|^The night")


def refused(desk: Desk) -> None:
    desk.tells("## A night that is refused", "", f"No feed reaches the day before {LATE}.")
    desk.give("run", "--as-of", LATE)
    desk.tells("`EXPIRED.txt` beside the lists says the same.")


def damaged(desk: Desk) -> None:
    desk.tells("## One bit of the store flips")
    place = max((desk.folder / "work" / "store" / "payments").rglob("*.parquet"), key=lambda file: file.stat().st_size)
    sound = place.read_bytes()
    flipped = bytearray(sound)
    flipped[len(sound) // 2] ^= 1
    place.write_bytes(flipped)
    desk.give("run", "--as-of", NIGHTS[2])
    desk.give("verify")
    place.write_bytes(sound)


def forgotten(desk: Desk) -> None:
    """The person at the head of the last list, looked for in every file under store and lists, unpacked."""
    debtor = pd.read_parquet(desk.out / NIGHTS[2] / "worklist.parquet")["debtor_id"].iloc[0]
    work = desk.folder / "work"
    desk.tells("## A person is forgotten, and looked for")
    desk.tells(_found(debtor, traces([debtor], work), work))
    desk.give("forget", "--debtor", debtor, "--by", "privacy desk", "--why", "case 17")
    desk.tells(_found(debtor, traces([debtor], work), work))
    desk.tells("The delivery still names the person. Unpacked it is another one, and comes in again.")
    for packed in (desk.folder / "data" / "sample").glob("*.csv.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    desk.give("ingest", only="rows")
    desk.tells(_found(debtor, traces([debtor], work), work))


def _found(debtor: str, places: list[Path], work: Path) -> str:
    rooms = pd.Series(["/".join(place.relative_to(work).parts[:2]) for place in places], dtype="str").value_counts()
    told = ", ".join(f"{count} in {room}" for room, count in sorted(rooms.items()))
    found = f"{len(places)} ({told})" if told else "none"
    return f"Files of store and lists that name {debtor}, each unpacked and read: {found}."


if __name__ == "__main__":
    main()
