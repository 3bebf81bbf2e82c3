"""The question at the moment of contact, asked many times: the desk agrees with the check of one account, contacts that
are posted count at once, and over HTTP nobody without the token is answered.

Also of serving.py and contact_check.py.
"""

from __future__ import annotations

import csv
import datetime as dt
import gc
import http.client
import io
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import yaml

from features.days import day_number
from features.errors import InputMissing, UsageError
from pipeline.intake.ingest import ingest
from pipeline.intake.refusals import DeliveryRefused
from pipeline.law.eligibility import check
from pipeline.law.question import CannotDecide
from pipeline.law.rule_file import RulesRefused
from pipeline.law.rules import CONTACT_CHANNELS
from pipeline.night.contact_check import BatchFaulty, check_contact, check_file, said
from pipeline.night.desk import Desk, microseconds
from pipeline.night.feeds import case_of
from pipeline.panel.view import view
from pipeline.params import load
from pipeline.serving import Asked, Behind, Counter, _keep_current, application, settled, token_in
from pipeline.store.refusals import NotStored
from pipeline.store.store import Store
from tests.worlds.afterwards import NIGHT, House
from tests.worlds.params import written_params

CHANNELS = ("call", "sms", "email", *(name for name in CONTACT_CHANNELS if name not in ("call", "sms", "email")))
TOKEN = "a token of the desk, for tests"
LAST = "9999-12-31T23:30:00+00:00"
MORNING = dt.datetime(2026, 10, 1, 6, 0, tzinfo=dt.UTC)
UTC_MIDNIGHT = dt.datetime(2026, 10, 2, 0, 0, tzinfo=dt.UTC)  # in America it is the evening of the 1st


@pytest.fixture(scope="module")
def house(two_nights) -> House:
    return two_nights


@pytest.fixture(scope="module")
def desk(house) -> Desk:
    return Desk(house.store, house.params, MORNING).open()


@pytest.fixture
def own(house, tmp_path) -> House:
    shutil.copytree(house.folder, tmp_path / "own", symlinks=True)
    return House(tmp_path / "own", house.params)


def by_itself(house: House, account_id: str, channel: str, at: dt.datetime):
    """The check of one account on a view of its debtor, with every feature."""
    store = Store(house.store)
    versions, shard = store.versions(), store.shard_of_account(account_id)
    accounts = store.tables(shard, ["accounts"])["accounts"]
    own = accounts[accounts["account_id"] == account_id]
    zone = own["time_zone"].iloc[-1]
    local = at.astimezone(
        ZoneInfo(zone if isinstance(zone, str) else house.params.portfolio(own["portfolio"].iloc[-1]).time_zone)
    )
    night, debtors = day_number(local.date()), own["debtor_id"].unique()
    seen = view(store, shard, [night], house.params, versions, debtors=debtors)
    return check(case_of(seen, store, versions, night, house.params), account_id, channel, microseconds(at))


def scorable(house: House) -> list[str]:
    return pd.read_parquet(house.out / str(NIGHT) / "scores.parquet", columns=["account_id"])["account_id"].tolist()


def test_the_desk_says_what_the_check_of_one_account_says(house, desk):
    answers = set()
    for place, account in enumerate(scorable(house)[::5]):
        at = MORNING + dt.timedelta(minutes=37 * (place % 28))
        channel = CHANNELS[place % len(CHANNELS)]
        found = desk.ask(account, channel, at)
        assert found == by_itself(house, account, channel, at), (account, channel, at)
        answers.add(found.group)
    assert answers == {"permitted", "deferred", "excluded"}


def test_who_is_listed_may_be_contacted_in_the_window_of_the_list(house, desk):
    listed = house.worklist()
    for row in listed.head(40).itertuples():
        zone = dt.datetime.fromisoformat(f"{NIGHT}T{row.contact_from}").replace(tzinfo=dt.UTC)
        offset = pd.Timestamp(zone.replace(tzinfo=None), tz=row.time_zone).utcoffset()
        at = zone.replace(tzinfo=dt.timezone(offset)) + dt.timedelta(minutes=1)
        if at.date() == NIGHT:
            assert desk.ask(row.account_id, row.channel, at).permitted, (row.account_id, at)


def test_a_moment_before_the_desk_was_opened_or_of_another_day_is_answered_too(house, desk):
    account = house.worklist()["account_id"].iloc[0]
    for at in (MORNING - dt.timedelta(hours=2), MORNING + dt.timedelta(days=1, hours=9)):
        assert desk.ask(account, "call", at) == by_itself(house, account, "call", at)


def test_an_instant_is_answered_by_the_debtors_day_however_it_is_written(house, desk):
    """In the evening of America UTC has the next date: neither who asks by it, nor a desk that stands on it, may take
    today's list for late.
    """
    listed, asked = house.worklist(), set()
    at = UTC_MIDNIGHT + dt.timedelta(minutes=5)
    new_desk = Desk(house.store, house.params, UTC_MIDNIGHT)
    for row in listed[listed["time_zone"].str.startswith("America/")].itertuples():
        found = desk.ask(row.account_id, row.channel, at)
        for moment in (at, at.astimezone(ZoneInfo(row.time_zone)), at.astimezone(ZoneInfo("Asia/Tokyo"))):
            assert desk.ask(row.account_id, row.channel, moment) == found
            assert new_desk.ask(row.account_id, row.channel, moment) == found
        assert by_itself(house, row.account_id, row.channel, at) == found
        asked.add(found.group)
    assert "permitted" in asked
    told = {check_contact(house.store, row.account_id, row.channel, at.astimezone(zone), house.params).split()[0]
            for zone in (dt.UTC, ZoneInfo("America/New_York"))}  # fmt: skip
    assert told == {found.group}


def test_loops_in_plain_python_answer_as_compiled_ones_do(house):
    """`recoup check` of one account runs the loops as they are written."""
    asked = [
        (account, CHANNELS[place % len(CHANNELS)], MORNING + dt.timedelta(minutes=53 * (place % 40)))
        for place, account in enumerate(scorable(house)[::9])
    ]
    program = """
import datetime as dt, json, sys
from pathlib import Path
from features.compiled import in_plain_python
in_plain_python()
from pipeline.night.contact_check import said
from pipeline.night.desk import Desk
from pipeline.params import load
params, store = load(Path(sys.argv[1])), Path(sys.argv[2])
for account, channel, at in json.load(sys.stdin):
    moment = dt.datetime.fromisoformat(at)
    print(json.dumps(said(Desk(store, params, moment).ask_once(account, channel, moment), moment)))
print("numba" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(house.folder / "params.yaml"), str(house.store)],
        input=json.dumps([(account, channel, at.isoformat()) for account, channel, at in asked]),
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True,
    )  # fmt: skip
    *lines, loaded = done.stdout.splitlines()
    answers = [json.loads(line) for line in lines]
    assert answers == [said(by_itself(house, *question), question[2]) for question in asked]
    assert {answer["answer"] for answer in answers} == {"permitted", "deferred", "excluded"}
    assert (loaded, done.stderr) == ("False", "")


def test_a_question_about_another_date_opens_nothing_and_keeps_nothing(house, desk, monkeypatch):
    account, at = house.worklist()["account_id"].iloc[0], MORNING + dt.timedelta(days=9, hours=9)
    found = by_itself(house, account, "call", at)
    before = [sorted(shelf.cases) for shelf in desk.shelves()]
    monkeypatch.setattr("pipeline.night.desk.Store", None)
    monkeypatch.setattr(Store, "tables", None)
    assert desk.ask(account, "call", at) == found
    assert [sorted(shelf.cases) for shelf in desk.shelves()] == before


def test_what_cannot_be_asked_is_refused(desk, house):
    account = house.worklist()["account_id"].iloc[0]
    with pytest.raises(CannotDecide, match="A channel must be one of"):
        desk.ask(account, "pigeon", MORNING)
    with pytest.raises(NotStored, match="is not in the store"):
        desk.ask("nobody", "call", MORNING)
    with pytest.raises(UsageError, match="must carry its offset"):
        desk.ask(account, "call", MORNING.replace(tzinfo=None))


# ---- contacts that come in ------------------------------------------------------------------------------------------


def called(account: str, at: dt.datetime, name: str) -> dict[str, str]:
    told = {"contact_id": name, "account_id": account, "occurred_at": at.isoformat(), "channel": "call"}
    return {**told, "direction": "outbound", "outcome": "no_answer"}


def callable_at(house: House, desk: Desk) -> tuple[str, dt.datetime]:
    """An account that may be called now and again, and when."""
    for account in house.worklist()["account_id"]:
        for hour in range(8, 18):
            at = MORNING.replace(hour=hour)
            found = desk.ask(account, "call", at)
            if found.permitted and 1 <= found.contacts_left <= 3:
                return account, at
    raise AssertionError("Nobody of the house may be called.")


def test_contacts_that_are_posted_count_at_once_towards_the_caps(own):
    counter = Counter(own.store, own.params, MORNING)
    account, at = callable_at(own, counter.desk)
    left = counter.desk.ask(account, "call", at).contacts_left
    for place in range(left):
        rows = [called(account, at - dt.timedelta(minutes=left - place), f"NEW-{place}")]
        assert counter.take(rows, MORNING)["accepted"] == 1
    found = counter.desk.ask(account, "call", at + dt.timedelta(minutes=1))
    assert (found.permitted, found.group) == (False, "deferred")
    assert found == by_itself(own, account, "call", at + dt.timedelta(minutes=1))
    assert counter.take(rows, MORNING)["already"]
    assert not counter.look(MORNING)


def test_whom_contacts_were_posted_of_is_decided_once_and_answered_as_by_itself_at_every_hour(own, monkeypatch):
    counter = Counter(own.store, own.params, MORNING)
    account, at = callable_at(own, counter.desk)
    counter.take([called(account, at, "NEW-1")], MORNING)
    moments = [at + dt.timedelta(minutes=minutes) for minutes in (-90, -1, 0, 1, 30, 200)]
    for channel in CHANNELS:
        for moment in moments:
            assert counter.desk.ask(account, channel, moment) == by_itself(own, account, channel, moment)
    monkeypatch.setattr("pipeline.night.desk.check", None)
    assert counter.desk.ask(account, "call", at + dt.timedelta(minutes=1)).group in ("permitted", "deferred")


def test_no_question_walks_the_contact_log_or_the_rubbish_of_the_desk_again(house, desk):
    shelf = next(shelf for shelf in desk.shelves() if shelf.standing)
    log = shelf.decided(day_number(NIGHT)).decision.record.counter
    assert log.last_at(("call",)) is log.last_at(("call",))
    assert shelf.in_order == set(shelf.tables)
    settled()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()


def test_what_the_law_reads_of_a_debtor_is_the_same_where_a_table_is_in_no_order(house, desk):
    shelf, day = desk.shelves()[0], day_number(NIGHT)
    debtor = str(shelf.cases[day].cohort["debtor_id"].iloc[0])
    tables = {name: frame.iloc[::-1].reset_index(drop=True) for name, frame in shelf.tables.items()}
    turned = replace(shelf, cases={day: replace(shelf.cases[day], tables=tables)})
    assert "contacts" not in turned.in_order
    found, other = shelf.small(day, debtor), turned.small(day, debtor)
    pd.testing.assert_frame_equal(found.cohort, other.cohort)
    for name, frame in found.tables.items():
        back = other.tables[name].iloc[::-1].reset_index(drop=True)
        pd.testing.assert_frame_equal(frame, back)
    assert set(found.tables["accounts"]["debtor_id"]) == {debtor}


def test_contacts_with_too_many_faults_are_refused_by_the_ordinary_rules(own):
    counter = Counter(own.store, own.params, MORNING)
    versions = dict(counter.desk.versions)
    with pytest.raises(DeliveryRefused, match="1 of 2 rows are faulty .ACCT_UNKNOWN 1., more than ingest"):
        counter.take([called("nobody", MORNING, "NEW-1"), called(scorable(own)[0], MORNING, "NEW-2")], MORNING)
    assert Store(own.store).versions() == versions


def test_what_others_deliver_is_noticed(own):
    counter = Counter(own.store, own.params, MORNING)
    account, at = callable_at(own, counter.desk)
    Counter(own.store, own.params, MORNING).take([called(account, at, "NEW-9")], MORNING)
    before = counter.desk.ask(account, "call", at + dt.timedelta(hours=1)).contacts_left
    assert counter.look(MORNING)
    assert counter.desk.ask(account, "call", at + dt.timedelta(hours=1)).contacts_left < before


def delivered_death(house: House, account: str, beside: Path) -> None:
    """Somebody else delivers that the debtor is dead, known since an hour before MORNING."""
    deceased = {"account_id": account, "status": "deceased", "from_on": "2026-10-01"}
    beside.mkdir()
    told = pd.DataFrame([deceased | {"known_at": MORNING - dt.timedelta(hours=1)}])
    told.to_csv(beside / "statuses.csv", index=False)
    (beside / "statuses.control.json").write_text(json.dumps({"rows": 1, "partial": True}))
    ingest(beside, house.store, house.params, by_hand=True)


def test_params_that_change_while_they_are_read_are_read_again(own, tmp_path, monkeypatch):
    """A file that is saved between the reading of its bytes and the next look; at the start, and at a look."""
    file = tmp_path / "params.yaml"
    file.write_text("half", encoding="utf-8")
    half, whole = own.params.model_copy(update={"seed": 1}), own.params.model_copy(update={"seed": 2})

    def saved_meanwhile(place):
        found = half if place.read_text(encoding="utf-8") == "half" else whole
        place.write_text("whole", encoding="utf-8")
        return found

    monkeypatch.setattr("pipeline.serving.load", saved_meanwhile)
    counter = Counter(own.store, own.params, MORNING, file)  # the params given are no longer those of the file
    file.write_text("half", encoding="utf-8")
    assert counter.look(MORNING)
    assert counter.params.seed == 1
    assert counter.look(MORNING)
    assert counter.params.seed == 2
    assert not counter.look(MORNING)


def test_what_others_delivered_just_before_contacts_came_in_counts_too(own, tmp_path):
    """A desk that knew its own contacts alone would go on to permit whom a status forbids."""
    counter = Counter(own.store, own.params, MORNING)
    account, at = callable_at(own, counter.desk)
    delivered_death(own, account, tmp_path / "beside")
    assert counter.desk.ask(account, "call", at).permitted
    counter.take([called(scorable(own)[-1], at, "NEW-1")], MORNING)
    assert counter.desk.ask(account, "call", at).group == "excluded"
    assert counter.desk.is_current()


def test_blanks_around_a_posted_account_hide_no_contact(own):
    counter = Counter(own.store, own.params, MORNING)
    account, at = callable_at(own, counter.desk)
    before = counter.desk.ask(account, "call", at).contacts_left
    assert counter.take([called(f" {account}\u00a0", at - dt.timedelta(minutes=1), "NEW-1")], MORNING)["accepted"] == 1
    found = counter.desk.ask(account, "call", at)
    assert found == by_itself(own, account, "call", at)
    assert found.contacts_left < before


def test_what_cannot_be_read_again_permits_nothing_until_it_is(own, monkeypatch):
    """The contact is stored by then: the desk knows that it is behind, and the service says unknown."""
    counter = Counter(own.store, own.params, MORNING)
    account, at = callable_at(own, counter.desk)
    question = {"account_id": account, "channel": "call", "at": at.isoformat()}
    with monkeypatch.context() as patch:
        patch.setattr(Desk, "_cases", lambda *_: (_ for _ in ()).throw(OSError("no room")))
        with pytest.raises(OSError, match="no room"):
            counter.take([called(account, at - dt.timedelta(minutes=1), "NEW-1")], MORNING)
        assert not counter.desk.is_current()
        with pytest.raises(Behind, match="nothing is known to be permitted"):
            counter.ask(question, MORNING)
    assert counter.look(MORNING)
    assert counter.ask(question, MORNING)["contacts_left"] == by_itself(own, account, "call", at).contacts_left


def test_looking_goes_on_whatever_fails_and_after_a_minute_nothing_is_permitted(own, monkeypatch, caplog):
    counter, stop = Counter(own.store, own.params, MORNING), threading.Event()
    account, at = callable_at(own, counter.desk)
    looked = []

    def fails(_: Desk) -> bool:
        looked.append(1)
        stop.set() if len(looked) == 3 else None
        raise OSError("a disk")

    monkeypatch.setattr("pipeline.serving.LOOKED_EVERY", 0.01)
    monkeypatch.setattr(Desk, "is_current", fails)
    _keep_current(counter, stop)
    assert len(looked) == 3
    assert "cannot be read yet: OSError" in caplog.text
    assert (
        counter.ask({"account_id": account, "channel": "call", "at": at.isoformat()}, MORNING)["answer"] == "permitted"
    )
    monkeypatch.setattr("pipeline.serving.time.monotonic", lambda: time.perf_counter() + 1e9)
    assert counter.is_behind()


# ---- the law that changes -------------------------------------------------------------------------------------------


def ruled(house: House, most: int, **changes: object) -> Path:
    """The house's params with an overlay beside them: so many calls within 7 days."""
    overlay = house.folder / "own-rules.yaml"
    rule = {
        "id": "client.calls", "kind": "cap", "binds": ["consumer"], "channels": ["call"], "counts": "attempts",
        "roles": ["creditor", "third_party_collector", "debt_buyer"], "max": most, "window": {"days": 7},
        "per": "debtor", "citation": "agreement with the client, section 4", "force": "licence_rule",
        "evidence": "primary", "verified": True,
    }  # fmt: skip
    overlay.write_text(yaml.safe_dump({"schema_version": 1, "everywhere": [rule]}), encoding="utf-8")
    return written_params(house.folder / "ruled.yaml", house.folder, eligibility={"rules": [str(overlay)], **changes})


def test_a_law_file_that_changes_is_answered_by_and_one_that_is_faulty_permits_nothing(own, monkeypatch, caplog):
    place = ruled(own, 9)
    counter = Counter(own.store, load(place), MORNING, place)
    account, at = callable_at(own, counter.desk)
    question = {"account_id": account, "channel": "call", "at": at.isoformat()}
    left = counter.ask(question, MORNING)["contacts_left"]
    counter.take([called(account, at - dt.timedelta(hours=5), "NEW-1")], MORNING)
    assert not counter.look(MORNING)
    ruled(own, 1)
    assert counter.look(MORNING)
    assert (left > 0, counter.ask(question, MORNING)["rule"]) == (True, "client.calls")
    assert not counter.look(MORNING)

    (own.folder / "own-rules.yaml").write_text("everywhere: [", encoding="utf-8")
    with pytest.raises(RulesRefused, match="own-rules"):
        counter.look(MORNING)
    monkeypatch.setattr("pipeline.serving.time.monotonic", lambda: time.perf_counter() + 1e9)
    with pytest.raises(Behind, match="or the law as it stands now, cannot be read"):
        counter.ask(question, MORNING)


def test_params_that_change_are_read_again_but_for_the_places(own, caplog):
    place = ruled(own, 9)
    counter = Counter(own.store, load(place), MORNING, place)
    account, at = callable_at(own, counter.desk)
    question = {"account_id": account, "channel": "call", "at": at.isoformat()}
    assert counter.ask(question, MORNING)["answer"] == "permitted"
    signed = load(place).eligibility.signed_off
    ruled(own, 9, signed_off=[])
    told = yaml.safe_load(place.read_text(encoding="utf-8"))
    place.write_text(yaml.safe_dump(told | {"paths": told["paths"] | {"store": "elsewhere"}}), encoding="utf-8")
    assert counter.look(MORNING)
    assert "start it again" in caplog.text
    assert counter.ask(question, MORNING)["answer"] == "excluded"
    assert signed
    assert not counter.look(MORNING)


# ---- over HTTP ------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def request(port: int, method: str, path: str, body: object = None, token: str = TOKEN) -> tuple[int, object]:
    """(status, body) of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, text, {"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read() or b"null")
    connection.close()
    return found


def test_the_command_answers_by_what_is_delivered_and_ruled_while_it_runs(own, tmp_path):
    """`recoup serve --check` as it is started, in a process of its own."""
    account, place, port = scorable(own)[0], ruled(own, 9), free_port()
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    given = ["serve", "--check", "--params", place, "--token-file", tmp_path / "token", "--port", str(port)]
    log, question = (tmp_path / "log").open("w+"), {"account_id": account, "channel": "call"}

    def until(told: Callable[[], bool]) -> None:
        last = time.monotonic() + 300
        while not told():
            assert server.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < last
            time.sleep(0.1)

    def listens() -> bool:
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", port)) == 0

    def said_now() -> str:
        return str(request(port, "POST", "/check", question)[1]["answer"])

    with log, subprocess.Popen([sys.executable, "-m", "pipeline.cli", *given], stderr=log) as server:
        try:
            until(listens)
            assert said_now() == "deferred"  # of feeds that ended long ago
            delivered_death(own, account, tmp_path / "beside")
            until(lambda: said_now() == "excluded")
            place.write_text("paths: [", encoding="utf-8")
            until(lambda: "cannot be read yet" in (tmp_path / "log").read_text())
        finally:
            server.send_signal(signal.SIGTERM)
    assert account not in (tmp_path / "log").read_text()
    assert server.returncode in (143, -signal.SIGTERM)


@pytest.fixture
def asking(own) -> Iterator[Callable[..., tuple[int, object]]]:
    """A request to a running server: (status, body)."""
    import uvicorn

    port = free_port()
    app = application(Counter(own.store, own.params, dt.datetime.now(dt.UTC)), TOKEN)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False))
    running = threading.Thread(target=server.run)
    running.start()
    while not server.started:
        time.sleep(0.02)

    yield partial(request, port)
    server.should_exit = True
    running.join()


def test_a_dialler_asks_with_the_token_and_is_told_the_same(asking, own):
    account, at = own.worklist()["account_id"].iloc[0], MORNING + dt.timedelta(hours=7)
    question = {"account_id": account, "channel": "call", "at": at.isoformat()}
    status, told = asking("POST", "/check", question)
    named = {"account_id": account, "channel": "call", "at": at.isoformat(timespec="seconds")}
    assert (status, told) == (200, named | said(by_itself(own, account, "call", at), at))
    status, several = asking("POST", "/check", [question, {"account_id": "nobody", "channel": "call"}])
    assert (status, several[0], several[1]["answer"]) == (200, told, "unknown")
    assert asking("GET", "/health")[0] == 200


def test_while_one_question_takes_long_others_are_answered(asking, own, monkeypatch):
    """What is not at hand is decided beside the loop: another day, or many at once."""
    account, now = own.worklist()["account_id"].iloc[0], dt.datetime.now(dt.UTC)
    held, begun, honest = threading.Event(), threading.Event(), Desk.ask

    def slow(desk: Desk, account_id: str, channel: str, at: dt.datetime):
        if at < now - dt.timedelta(days=2):
            begun.set()
            held.wait()
        return honest(desk, account_id, channel, at)

    monkeypatch.setattr(Desk, "ask", slow)
    question = {"account_id": account, "channel": "call"}
    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(asking, "POST", "/check", question | {"at": MORNING.isoformat()})
        begun.wait()
        assert asking("POST", "/check", question)[0] == 200
        assert asking("POST", "/check", question | {"channel": "letter"})[0] == 200
        assert not waiting.done()
        held.set()
        assert waiting.result()[0] == 200


def test_nobody_without_the_token_is_answered(asking, own):
    question = {"account_id": own.worklist()["account_id"].iloc[0], "channel": "call"}
    for token in ("", TOKEN[:-1], TOKEN + "x"):
        for method, path in (("POST", "/check"), ("POST", "/contacts"), ("GET", "/health")):
            assert asking(method, path, question, token) == (
                401,
                {"error": "Give the token: Authorization: Bearer ..."},
            )


def test_posted_contacts_are_answered_for_and_nonsense_is_refused(asking, own):
    account, now = scorable(own)[0], dt.datetime.now(dt.UTC)
    status, told = asking("POST", "/contacts", [called(account, now - dt.timedelta(minutes=1), "NEW-1")])
    assert (status, told["accepted"], told["rows"]) == (201, 1, 1)
    assert asking("POST", "/contacts", [{"account_id": account, "colour": "red"}])[0] == 422
    for body in (b"{", b"[]", b"7", b"[1]", b"x" * 1_100_000):
        assert asking("POST", "/check", body)[0] == 400
    assert asking("POST", "/check", {"account_id": account, "channel": "call", "at": "noon"})[1]["answer"] == "unknown"
    assert asking("DELETE", "/check")[0] == 405
    strange = [{"account_id": "\ud800", "channel": "call"}, {"account_id": account, "channel": "call", "at": LAST}]
    assert [each["answer"] for each in asking("POST", "/check", strange)[1]] == ["unknown", "unknown"]
    assert asking("POST", "/check", b"[" * 100_000)[0] == 400
    assert asking("GET", "/health")[1]["behind"] is False


@pytest.mark.parametrize(("text", "mode"), [("short", 0o600), (TOKEN, 0o644), ("a" * 20 + "\nb", 0o600)])
def test_a_token_that_is_short_or_open_to_others_is_refused(tmp_path, text, mode):
    place = tmp_path / "token"
    place.write_text(text)
    place.chmod(mode)
    with pytest.raises(Asked, match="one line of 16 letters or more, for its owner alone"):
        token_in(place)


def test_a_token_is_read_from_its_file(tmp_path):
    place = tmp_path / "token"
    with pytest.raises(InputMissing, match="The file of the token cannot be read"):
        token_in(place)
    place.write_text(TOKEN + "\n")
    place.chmod(0o600)
    assert token_in(place) == TOKEN


# ---- a file of questions --------------------------------------------------------------------------------------------


def test_a_file_of_questions_is_answered_line_by_line(house, tmp_path):
    at = MORNING + dt.timedelta(hours=7)
    asked = [(account, "call", at.isoformat()) for account in scorable(house)[:12]] + [("nobody",)]
    place = tmp_path / "questions.csv"
    place.write_text("\n".join(["account_id,channel,at", *(",".join(row) for row in asked)]) + "\n")
    told = list(csv.DictReader(io.StringIO(check_file(house.store, place, at, house.params))))
    assert [row["account_id"] for row in told] == [account for account, *_ in asked]
    for row in told[:-1]:
        assert row["answer"] == by_itself(house, row["account_id"], "call", at).group
        assert check_contact(house.store, row["account_id"], "call", at, house.params).startswith(row["answer"])
    assert (told[-1]["answer"], "A channel must be one of" in told[-1]["reason"]) == ("unknown", True)


@pytest.mark.parametrize("year", [1, 9999])
def test_questions_of_no_time_that_anything_is_known_of_are_refused(house, tmp_path, year):
    place = tmp_path / "questions.csv"
    place.write_text("account_id,channel\nA,call\n")
    for hours in (-20, 20):
        at = dt.datetime(year, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=hours)))
        with pytest.raises(UsageError, match="must lie in the years"):
            check_file(house.store, place, at, house.params)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("account,channel\nA,call\n", "must be CSV with the columns account_id and channel"),
        ("account_id,channel\n", "must be CSV with the columns account_id and channel"),
        ("account_id,channel,at\nA,call,noon\n", "Line 2: at must be ISO 8601 with an offset"),
        (f"account_id,channel,at\n\nA,call,\n\nA,call,{LAST}\n", "Line 5: at must be ISO 8601 with an offset"),
    ],
)
def test_a_file_that_asks_nothing_is_refused(house, tmp_path, text, told):
    place = tmp_path / "questions.csv"
    place.write_text(text)
    with pytest.raises(BatchFaulty, match=told):
        check_file(house.store, place, MORNING, house.params)
    with pytest.raises(InputMissing, match="cannot be read"):
        check_file(house.store, tmp_path / "none.csv", MORNING, house.params)
    place.write_text("account_id,channel\n" + "A" * 200_000 + ",call\n")
    with pytest.raises(InputMissing, match="cannot be read"):
        check_file(house.store, place, MORNING, house.params)
