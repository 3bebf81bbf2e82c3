"""What happens on each of the thirty nights of benchmarks/month.py, and what its operator does about it."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.month import ONE_DAY, Month
from tests.judges.month_judge import KILLED, STOP, Done, sha_of

Night = dt.date
Happens = Callable[[Month, Night, str], None]
PATIENCE = 600  # seconds that a run may need to come to where it is to be killed, on a machine that is busy


def as_usual(month: Month, night: Night, what: str) -> None:
    month.run(night, what, month.delivery(night - ONE_DAY) if month.lines else month.history)


def late(month: Month, night: Night, what: str) -> None:
    month.run(night, f"{what}: nothing is there yet", None, 66, says=["not-there"])
    month.run(night, "it came at five", month.delivery(night - ONE_DAY))


def late_table(month: Month, night: Night, what: str) -> None:
    sent = month.delivery(night - ONE_DAY, without=["payments"])
    month.run(night, f"{what}: all but payments", sent, 66, says=["payments", str(night - ONE_DAY)])
    month.run(night, "payments came at five", month.delivery(night - ONE_DAY))


def twice(month: Month, night: Night, what: str) -> None:
    sent = month.delivery(night - ONE_DAY)
    month.run(night, what, sent)
    before = sha_of(month.folder / "out" / night.isoformat())
    month.run(night, "the same again: nothing to do", sent)
    if sha_of(month.folder / "out" / night.isoformat()) != before:
        month.lies.append(f"{night}: a finished night was made again")


def overlapping(month: Month, night: Night, what: str) -> None:
    told = month.run(night, what, month.delivery(night - ONE_DAY, night - 3 * ONE_DAY))
    again = sum(len(own) for own in month.sender.between(night - 3 * ONE_DAY, night - 2 * ONE_DAY).values())
    held = sum(each["duplicates"] for each in month.manifest(night)["tables"])
    if again != held:
        month.lies.append(f"{night}: {held} duplicates were told, {again} were sent; {told.last}")


def lost(month: Month, night: Night, what: str) -> None:
    month.run(night, f"{what}: the folder stays empty", None, 66, says=["not-there"])


def _does_not_follow(month: Month, night: Night, what: str) -> tuple[Night, Night]:
    """The last day's delivery, refused for want of the one before it; the last day, and the day that is missing."""
    last, gap = night - ONE_DAY, night - 2 * ONE_DAY
    says = [str(gap - ONE_DAY), "missing between"]
    month.run(night, f"{what}: does not follow", month.delivery(last), 65, says=says, comes_in=False)
    return last, gap


def lost_and_found(month: Month, night: Night, what: str) -> None:
    last, gap = _does_not_follow(month, night, what)
    found = month.delivery(gap)
    month.run(gap + ONE_DAY, "the lost day is found, and its night made up for", found)
    month.run(night, "and tonight's", month.delivery(last))


def lost_for_good(month: Month, night: Night, what: str) -> None:
    last, _ = _does_not_follow(month, night, what)
    why = "the bank lost that day"
    more, accepted = ["--accept-gap", why], {"accepted_gap": why}
    month.run(night, "the gap is accepted by name", month.delivery(last), more=more, accepted=accepted)


def tampered(harm: Callable[[Path], None], *says: str) -> Happens:
    def happens(month: Month, night: Night, what: str) -> None:
        sent = month.delivery(night - ONE_DAY)
        harm(sent[0])
        month.run(night, what, sent, 65, says=says, comes_in=False)
        month.run(night, "sent again, whole", month.delivery(night - ONE_DAY))

    return happens


def a_row_less(place: Path) -> None:
    lines = (place / "contacts.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (place / "contacts.csv").write_text("".join(lines[:-1]), encoding="utf-8")


def another_amount(place: Path) -> None:
    file = place / "payments.csv"
    head, first, *rows = file.read_text(encoding="utf-8").splitlines(keepends=True)
    cells, at = first.split(","), head.split(",").index("amount")
    cells[at] = f"9{cells[at]}"
    file.write_text("".join([head, ",".join(cells), *rows]), encoding="utf-8")


def cut_off(place: Path) -> None:
    held = (place / "contacts.csv").read_bytes()
    (place / "contacts.csv").write_bytes(held[: len(held) * 2 // 3])


def killed(when: Callable[[Month], bool], again: bool = True) -> Happens:
    """SIGKILL to the run and all its processes once `when`."""

    def happens(month: Month, night: Night, what: str) -> None:
        sent = month.delivery(night - ONE_DAY)
        month.run(night, what, sent, KILLED, comes_in=None, until=_signalled(month, when, signal.SIGKILL))
        if again:
            month.run(night, "run again", sent)

    return happens


def terminated(month: Month, night: Night, what: str) -> None:
    sent, until = month.delivery(night - ONE_DAY), _signalled(month, at_work, signal.SIGTERM)
    month.run(night, what, sent, 143, says=["run it again"], comes_in=None, until=until)
    month.run(night, "run again", sent)


def begun(month: Month) -> bool:
    """The old list is marked: the night has begun, and its delivery is about to be read."""
    return (month.folder / "out" / "EXPIRED.txt").exists()


def at_work(month: Month) -> bool:
    """A shard is finished."""
    return any(place.is_dir() for place in (month.folder / "out").glob(".shards-*/[!.]*"))


def over(started: subprocess.Popen[str]) -> bool:
    """Whether a run has ended; it is left to be waited for."""
    return os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signalled(month: Month, when: Callable[[Month], bool], number: signal.Signals):
    def until(started: subprocess.Popen[str]) -> None:
        limit = time.monotonic() + PATIENCE
        while not when(month) and not over(started) and time.monotonic() < limit:
            time.sleep(0.002)
        os.killpg(started.pid, number)

    return until


def two_at_once(month: Month, night: Night, what: str) -> None:
    """Another run starts while one works: it is turned away, and the first ends well."""
    sent, other = month.delivery(night - ONE_DAY), []

    def meets(started: subprocess.Popen[str]) -> None:
        limit = time.monotonic() + PATIENCE
        while not at_work(month) and not over(started) and time.monotonic() < limit:
            time.sleep(0.01)
        folder = month.folder / "second"
        folder.mkdir()
        other.append(month.give("run", "--source", str(sent[0]), "--as-of", night.isoformat(), into=folder))

    month.run(night, what, sent, until=meets)
    if other[0].code != 75 or "Another run" not in other[0].last:
        month.lies.append(f"{night}: the second run ended with {other[0].code}: {other[0].last}")


def damaged(place_in: Callable[[Month], Path], code: int, *says: str, comes_in: bool = False) -> Happens:
    """One bit of a file flips; it is put back from the backup."""

    def happens(month: Month, night: Night, what: str) -> None:
        sent, place = month.delivery(night - ONE_DAY), place_in(month)
        held = place.read_bytes()
        place.write_bytes(held[:-30] + bytes([held[-30] ^ 1]) + held[-29:])
        month.run(night, what, sent, code, says=says, comes_in=comes_in)
        place.write_bytes(held)
        month.run(night, "put back from the backup", sent)

    return happens


def of_the_store(month: Month) -> Path:
    return min((month.folder / "store" / "charges").rglob("*.parquet"))


def of_the_model(month: Month) -> Path:
    return next((month.folder / "store" / "models").glob("recovery-*/*.txt"))


def altered_list(month: Month, night: Night, what: str) -> None:
    """Somebody writes into last night's list: tonight's comes all the same, and `recoup verify` names the file."""
    file = month.folder / "out" / (night - ONE_DAY).isoformat() / "worklist.csv"
    held = file.read_bytes()
    file.write_bytes(held.replace(b"1", b"2", 1))
    told = month.give("verify")
    if told.code != 65 or f"{night - ONE_DAY}/worklist.csv" not in told.stdout + told.stderr:
        month.lies.append(f"{night}: verify ended with {told.code}: {told.last}")
    file.write_bytes(held)
    as_usual(month, night, what)


def mistyped(month: Month, night: Night, what: str) -> None:
    sent = month.delivery(night - ONE_DAY)
    month.run(night, what, sent)
    year = night.replace(year=night.year + 1)
    told = month.give("run", "--source", str(sent[0]), "--as-of", year.isoformat())
    if told.code != 66 or (month.folder / "out" / "EXPIRED.txt").exists():
        month.lies.append(f"{night}: {year} ended with {told.code}, and a mark is {begun(month)}")


def booked_in_bulk(month: Month, night: Night, what: str) -> None:
    """A booking error: a payment on every account. The monitor stops the list, which is kept back; the store is put
    back as it was before, and the sender sends the day again.
    """
    backup = month.folder / "backup"
    shutil.copytree(month.folder / "store", backup, symlinks=True)
    bulk = month.delivery(night - ONE_DAY, more={"payments": month.on_every_account(night - ONE_DAY)})
    month.stop_means("keep_last")
    month.run(night, f"{what}: a payment on every account; keep_last", bulk, STOP, says=["not published"], keeps=True)
    month.stop_means("publish_marked")
    shutil.rmtree(month.folder / "store")
    shutil.move(backup, month.folder / "store")
    month.put_back()
    month.run(night, "store put back; the day comes right", month.delivery(night - ONE_DAY))


def booked_and_marked(month: Month, night: Night, what: str) -> None:
    """The same error again, under publish_marked: the list is published in red."""
    bulk = month.delivery(night - ONE_DAY, more={"payments": month.on_every_account(night - ONE_DAY)})
    month.run(night, f"{what}; publish_marked", bulk, STOP, says=["published and marked"])


def still_stopped(month: Month, night: Night, what: str) -> None:
    """Nobody took the payments back: a finished night that is stopped ends as it did, and is not made again."""
    sent = month.delivery(night - ONE_DAY)
    month.run(night, what, sent, STOP, says=["published and marked"])
    month.run(night, "the same again: nothing to do, and still stop", sent, STOP, says=["published and marked"])


def rolled_back(month: Month, night: Night, what: str) -> None:
    as_usual(month, night, what)
    last, by = (night - ONE_DAY).isoformat(), "manager"
    told = month.ask("publish", "--rollback", last, "--by", by, "--why", "tonight's is wrong")
    sizes = {table: len(ids) for table, ids in month.held.items()}
    done = Done(night, (0,), (), True, month.through, month.through, sizes, sizes, rolled=last, notice=by)
    month.tell(night, f"the list of {last[5:]} is put back", told, month.judge.lies(done, told))


PLAN: dict[str, Happens] = {
    "as usual": as_usual,
    "as usual, too": as_usual,
    "a late delivery": late,
    "a delivery handed in twice": twice,
    "a delivery that holds three days, two of them known": overlapping,
    "killed while it takes the delivery in": killed(begun),
    "a table late": late_table,
    "a lost delivery": lost,
    "the day after": lost_and_found,
    "a row is missing": tampered(a_row_less, "contacts"),
    "an amount was changed": tampered(another_amount, "payments"),
    "another lost delivery": lost,
    "nobody finds it": lost_for_good,
    "killed at work": killed(at_work),
    "a file cut off": tampered(cut_off, "contacts"),
    "a bit of the store flips": damaged(of_the_store, 65, "damaged"),
    "a bit of the model flips": damaged(of_the_model, 77, "champion", comes_in=True),
    "last night's list is altered; verify names it": altered_list,
    "as usual, again": as_usual,
    "a booking error": booked_in_bulk,
    "the night after it": as_usual,
    "two runs at once; the second ends with 75": two_at_once,
    "terminated": terminated,
    "killed and never run again": killed(at_work, again=False),
    "the night after that": as_usual,
    "and a mistyped year, which ends with 66": mistyped,
    "a list is put back": rolled_back,
    "the night after putting back": as_usual,
    "the booking error again": booked_and_marked,
    "what it left still stops the next night": still_stopped,
}
# One fault of each kind: a month for tests.
SHORT = ("as usual", "a late delivery", "killed at work", "an amount was changed", "a booking error")
