"""`recoup serve --check`: the question at the moment of contact over HTTP, for a dialler on the same machine.

It answers, and takes contacts in; it changes nothing else. Whoever asks must hold the token.
"""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import gc
import hashlib
import hmac
import json
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import InputMissing, LockHeld, RecoupError, UsageError
from features.tables import TABLES
from pipeline.intake.ingest import ingest
from pipeline.night.contact_check import said
from pipeline.night.desk import Desk, stands_on
from pipeline.params import Params, load
from pipeline.store.files import private_folder

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse

    Endpoint = Callable[[Request], Awaitable[JSONResponse]]

log = logging.getLogger("recoup")
LOOPBACK = "127.0.0.1"
LEAST_TOKEN = 16  # letters: a shorter one is guessed
LONGEST_BODY = 1_000_000  # bytes of a question or of contacts
MOST_ASKED = 1_000  # questions, or contacts, in one body
FEW = 20  # questions of one body that are answered at once, where their answers are at hand
LOOKED_EVERY = 5.0  # seconds after which a delivery of somebody else is noticed
# Seconds for which a delivery may be unreadable, as it is while it comes in; then nothing is permitted.
BEHIND_FOR = 60.0


class Asked(UsageError):
    """A body that is not what is asked for."""

    @classmethod
    def body(cls, what: str) -> Asked:
        return cls(f"The body must be JSON: {what}.")

    @classmethod
    def moment(cls) -> Asked:
        return cls("at must be ISO 8601 with an offset, such as 2026-11-02T10:15:00+01:00.")

    @classmethod
    def token(cls) -> Asked:
        return cls(f"The file of the token must hold one line of {LEAST_TOKEN} letters or more, for its owner alone.")


class Behind(RecoupError):
    """Nothing is permitted by what may no longer be so."""

    @classmethod
    def told(cls) -> Behind:
        return cls(
            "What was delivered last, or the law as it stands now, cannot be read: nothing is known to be permitted. "
            "See the service's log."
        )


Hashes = tuple[tuple[Path, str | None], ...]  # file and its sha256, None where it cannot be read


class Counter:
    """The desk that answers now: a newer one takes its place whole when something was delivered, a day has passed, or
    the params or a file of the law say something else.

    params_file: where the params were read, to be read again when it changes; None where they are given for good.
    """

    def __init__(self, store_path: Path, params: Params, now: dt.datetime, params_file: Path | None = None) -> None:
        self.store_path, self.params, self.params_file = store_path, params, params_file
        self._taking = threading.Lock()  # one delivery, or one reading of the store, at a time
        self._behind_from: float | None = None  # on the monotonic clock; None while the desk could be held current
        own = self._own_now()
        if (
            params_file is not None and load(params_file) != params
        ):  # changed since they were read: the next look sees it
            own = tuple((file, None) for file, _ in own)
        self._law = (*own, *self._named_now())
        self.desk = Desk(store_path, params, now).open()

    def _own_now(self) -> Hashes:
        """Of the file of the params."""
        return () if self.params_file is None else ((self.params_file, _sha256_of(self.params_file)),)

    def _named_now(self) -> Hashes:
        """Of every file of the law that the params name."""
        return tuple((file, _sha256_of(file)) for file in stands_on(self.params))

    def _opened_anew(self, now: dt.datetime) -> None:
        """With the params and the law as they stand now; those files that change meanwhile are noticed by the next
        look: they are hashed before they are read, and what they name afterwards.
        """
        own = self._own_now()
        params = self.params if self.params_file is None else load(self.params_file)
        if params.paths != self.params.paths:
            log.warning("The params name other places. The service goes on with those of its start: start it again.")
            params = params.model_copy(update={"paths": self.params.paths})
        self.params, before = params, self.params
        try:
            law = (*own, *self._named_now())
            self.desk = Desk(self.store_path, params, now).open()
        except BaseException:
            self.params = before
            raise
        self._law = law

    def ask(self, question: Mapping[str, Any], now: dt.datetime) -> dict[str, Any]:
        if self.is_behind():
            raise Behind.told()
        account, channel = (_plain(question.get(name, "")) for name in ("account_id", "channel"))
        at = moment_of(question["at"]) if question.get("at") else now
        return {"account_id": account, "channel": channel, "at": at.isoformat(timespec="seconds")} | said(
            self.desk.ask(account, channel, at), at
        )

    def is_at_hand(self, question: Mapping[str, Any], now: dt.datetime) -> bool:
        """Whether the answer is a look at what is decided; else a debtor's day has to be decided first."""
        try:
            at = moment_of(question["at"]) if question.get("at") else now
            return self.desk.is_at_hand(at)
        except (RecoupError, TypeError, OverflowError):
            return True  # refused in no time

    def take(self, rows: Sequence[Mapping[str, Any]], now: dt.datetime) -> dict[str, Any]:
        """Contacts by the ordinary rules of ingest; those accepted count from now on, and so does what others
        delivered meanwhile.
        """
        names = TABLES["contacts"].names
        with self._taking, private_folder() as folder:
            with (folder / "contacts.csv").open("w", encoding="utf-8", newline="") as file:
                used = [name for name in names if any(name in row for row in rows)]
                unknown = sorted({name for row in rows for name in row} - set(names))
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow([*used, *map(_plain, unknown)])
                writer.writerows([_cell(row.get(name)) for name in [*used, *unknown]] for row in rows)
            vouched = {"rows": len(rows), "partial": True}
            (folder / "contacts.control.json").write_text(json.dumps(vouched), encoding="utf-8")
            report = ingest(folder, self.store_path, self.params, by_hand=True)
            try:
                if self.desk.lacks_only(report.number):
                    self.desk.tell(self.desk.known(rows))
                else:
                    self._opened_anew(now)
            except BaseException:
                self._behind_from = time.monotonic()
                raise
        (table,) = report.tables or (None,)
        counts = {} if table is None else {"accepted": table.accepted, "set_aside": table.quarantined}
        return {"delivery": report.ingest_id, "already": report.already, "rows": len(rows), **counts}

    def look(self, now: dt.datetime) -> bool:
        """Whether a desk was opened anew: for a delivery that came in elsewhere, another day, or another law."""
        with self._taking:  # while contacts are taken in, the store is between two versions
            try:
                is_newest = (
                    self.desk.is_current()
                    and self.desk.is_at_hand(now)
                    and self._law == (*self._own_now(), *self._named_now())
                )
                if not is_newest:
                    self._opened_anew(now)
            except BaseException:
                if self._behind_from is None:
                    self._behind_from = time.monotonic() + BEHIND_FOR
                raise
            self._behind_from = None
        if not is_newest:
            settled()
        return not is_newest

    def is_behind(self) -> bool:
        """Whether what was delivered last, or the law, could not be read, for longer than it takes to come in."""
        return self._behind_from is not None and time.monotonic() >= self._behind_from


def _sha256_of(file: Path) -> str | None:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return None


def settled() -> None:
    """What the desk stands on is no rubbish: the collector need not walk through it while somebody waits."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _cell(value: Any) -> str:
    return "" if value is None else _plain(value)


def _plain(value: Any) -> str:
    """As text that can be written: half a letter becomes a question mark."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


def moment_of(text: Any) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(str(text))
    except ValueError:
        raise Asked.moment() from None
    if found.tzinfo is None:
        raise Asked.moment()
    return found


def token_in(place: Path) -> str:
    """The token; Asked (2) where the file holds none, or others may read it, InputMissing (66) where there is none."""
    try:
        text, mode = place.read_text(encoding="utf-8").strip(), place.stat().st_mode
    except OSError as error:
        why = error.strerror or "input error"
        raise InputMissing(f"The file of the token cannot be read ({why}). Name it with --token-file.") from None
    if len(text) < LEAST_TOKEN or "\n" in text or mode & 0o077:
        raise Asked.token()
    return text


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def application(counter: Counter, token: str) -> Starlette:
    """POST /check: a question, or a list of them. POST /contacts: a contact, or a list of them. GET /health."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    paths = {"/check": (_check, "POST"), "/contacts": (_contacts, "POST"), "/health": (_health, "GET")}
    app = Starlette(
        routes=[Route(path, _guarded(endpoint), methods=[method]) for path, (endpoint, method) in paths.items()],
        exception_handlers={HTTPException: _refused},
    )
    app.state.counter, app.state.token, app.state.turn = counter, token, asyncio.Lock()
    return app


async def _refused(_: Request, error: Exception) -> JSONResponse:
    """A path or a method that is none: as JSON, as every answer."""
    from starlette.responses import JSONResponse

    return JSONResponse(
        {"error": "There is POST /check, POST /contacts and GET /health."}, getattr(error, "status_code", 404)
    )


def _guarded(endpoint: Endpoint) -> Endpoint:
    """Only with the token; every refusal is one sentence."""
    from starlette.responses import JSONResponse

    async def only_with_token(request: Request) -> JSONResponse:
        held, given = f"Bearer {request.app.state.token}", request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), held.encode()):
            return JSONResponse({"error": "Give the token: Authorization: Bearer ..."}, status_code=401)
        try:
            return await endpoint(request)
        except LockHeld as error:
            return JSONResponse({"error": str(error)}, status_code=503, headers={"Retry-After": "5"})
        except RecoupError as error:
            return JSONResponse({"error": str(error)}, status_code=400 if isinstance(error, UsageError) else 422)
        except Exception as error:  # in one line without what was asked: it names people
            log.warning("A request failed: %s.", type(error).__name__)
            return JSONResponse({"error": "The service failed on this request; its log says how."}, status_code=500)

    return only_with_token


async def _check(request: Request) -> JSONResponse:
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse

    body, state = await _body_of(request), request.app.state
    questions, now = _listed(body), _now()
    if len(questions) <= FEW and all(state.counter.is_at_hand(question, now) for question in questions):
        answers = _answered(state.counter, questions, now)
    else:  # beside the loop, which goes on to answer the others; one such request at a time
        async with state.turn:
            answers = await run_in_threadpool(_answered, state.counter, questions, now)
    return JSONResponse(answers if isinstance(body, list) else answers[0])


def _answered(counter: Counter, questions: Sequence[Mapping[str, Any]], now: dt.datetime) -> list[dict[str, Any]]:
    return [_answer(counter, question, now) for question in questions]


def _answer(counter: Counter, question: Mapping[str, Any], now: dt.datetime) -> dict[str, Any]:
    """Whatever cannot be decided is not permitted, and says why."""
    try:
        return counter.ask(question, now)
    except RecoupError as error:
        named = {name: _plain(question.get(name, "")) for name in ("account_id", "channel")}
        return {**named, "answer": "unknown", "reason": str(error)}


async def _contacts(request: Request) -> JSONResponse:
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse

    rows = _listed(await _body_of(request))
    return JSONResponse(await run_in_threadpool(request.app.state.counter.take, rows, _now()), status_code=201)


async def _health(request: Request) -> JSONResponse:
    from starlette.responses import JSONResponse

    counter = request.app.state.counter
    desk, behind = counter.desk, counter.is_behind()
    told = {"day": desk.day.isoformat(), "accounts": desk.accounts, "versions": dict(desk.versions), "behind": behind}
    return JSONResponse(told, status_code=503 if behind else 200)


async def _body_of(request: Request) -> Any:
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > LONGEST_BODY:
            raise Asked.body(f"at most {LONGEST_BODY:,} bytes")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Asked.body("an object, or a list of objects") from None


def _listed(body: Any) -> list[Mapping[str, Any]]:
    rows = body if isinstance(body, list) else [body]
    if not rows or len(rows) > MOST_ASKED or not all(isinstance(row, dict) for row in rows):
        raise Asked.body(f"an object, or a list of 1 to {MOST_ASKED:,} objects")
    return rows


def _keep_current(counter: Counter, stop: threading.Event) -> None:
    while not stop.wait(LOOKED_EVERY):
        try:
            if counter.look(_now()):
                log.info(
                    "The store has moved on, the day or the law: %d accounts are decided anew.", counter.desk.accounts
                )
        except RecoupError as error:
            log.warning("What was delivered since, or the law, cannot be read yet: %s", error)
        except Exception as error:  # whatever it is, looking goes on: what others deliver must not be missed
            log.warning("What was delivered since, or the law, cannot be read yet: %s.", type(error).__name__)


def serve(store_path: Path, params: Params, token: str, host: str, port: int, params_file: Path | None = None) -> None:
    """Answer until a signal ends it. params_file: as of Counter."""
    import uvicorn

    began = time.perf_counter()
    counter = Counter(store_path, params, _now(), params_file)
    log.info(
        "%d accounts are decided in %.1f s; asked at http://%s:%d/check.",
        counter.desk.accounts, time.perf_counter() - began, host, port,
    )  # fmt: skip
    settled()
    stop = threading.Event()
    threading.Thread(target=_keep_current, args=(counter, stop), daemon=True).start()
    # No access log: it would name accounts.
    settings = uvicorn.Config(
        application(counter, token), host=host, port=port, access_log=False, log_config=None, server_header=False
    )
    try:
        uvicorn.Server(settings).run()
    finally:
        stop.set()
        gc.unfreeze()
