"""params.yaml, parsed once into frozen typed values. An unknown key is refused with the nearest known one."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from features.errors import InputMissing, UsageError
from features.terms import LabelTerms, Terms, WatchTerms
from pipeline.columns import DIALLER_COLUMNS
from pipeline.languages import languages

MOST_BYTES, MOST_VALUES, DEEPEST = 1_000_000, 50_000, 50  # of a params file
LONGEST_SHOWN = 80  # characters of a value that a message repeats
_SECRET = re.compile(r"(?i)uri|url|password|secret|token|key")

VARIABLE = re.compile(r"\$\{(\w+)\}")  # a value of the environment, in the URL of a database
CONTROL = "control"  # the query that says what the database vouches for
DEFAULT = Path("params.yaml")  # in the folder a command runs in
TableName = Literal[
    "accounts", "charges", "balances", "payments", "contacts", "statuses", "offers", "plans", "placements"
]
DeliveredName = TableName | Literal["debtors"]
ContactChannel = Literal["call", "autodial", "voicemail", "sms", "email", "letter", "visit", "chat", "portal", "social"]
MessageChannel = Literal["sms", "email", "letter", "portal", "chat", "social"]  # what machines send and nobody hears
Role = Literal["creditor", "third_party_collector", "debt_buyer"]


class ParamsRefused(UsageError):
    """The params file is no params file, or holds values that cannot be."""

    @classmethod
    def no_text(cls, path: str, line: int) -> ParamsRefused:
        return cls(f"Params file {path!r} is not UTF-8 text at line {line}. Save it as UTF-8.")

    @classmethod
    def no_yaml(cls, path: str, line: int | None) -> ParamsRefused:
        at = "" if line is None else f" at line {line}"
        return cls(f"Params file {path!r} is not YAML{at}. Mend it.")

    @classmethod
    def too_large(cls, path: str) -> ParamsRefused:
        return cls(
            f"Params file {path!r} holds more than {MOST_BYTES:,} bytes, {MOST_VALUES:,} values (each `*alias` counts "
            f"as what it stands for) or {DEEPEST} levels. It is no params file: give its place with --params."
        )

    @classmethod
    def doubled(cls, path: str, key: str, line: int) -> ParamsRefused:
        return cls(
            f"Params file {path!r}: the key {key!r} stands a second time in its section at line {line}. "
            "Keep one: nobody could say which one counts."
        )

    @classmethod
    def no_sections(cls, path: str) -> ParamsRefused:
        return cls(f"Params file {path!r} must hold named sections. See params.yaml of the project.")

    @classmethod
    def values(cls, path: str, sentences: Iterable[str]) -> ParamsRefused:
        return cls(f"Params file {path!r}: " + " ".join(sentences))


class NotBegun(UsageError):
    """The folder holds no params file, and none was named."""

    @classmethod
    def here(cls) -> NotBegun:
        return cls(
            "There is no params.yaml in this folder: begin with `recoup init --from FILES` for books of your own, "
            "with `recoup init --sample` to look first, or name one with --params."
        )


class ParamsMissing(InputMissing):
    """There is no params file to read."""

    @classmethod
    def file(cls, path: str, why: str | None) -> ParamsMissing:
        return cls(f"Params file {path!r} cannot be read ({why}). Give its place with --params.")


def _unknown(where: str, unknown: Iterable[str], known: Iterable[str]) -> ValueError:
    """The sentence of UsageError for pydantic, which ends it itself."""
    return ValueError(str(UsageError.unknown_keys(where, unknown, known)).removesuffix("."))


@cache
def known_zones() -> frozenset[str]:
    """Names of the time zone database; read once, for it lies on disk."""
    return frozenset(available_timezones())


def _known_zone(name: str) -> str:
    if name not in known_zones():
        near = get_close_matches(name, known_zones(), n=1)
        raise ValueError(f"must be an IANA time zone such as {near[0] if near else 'Europe/Paris'!r}. Got {name!r}")
    return name


def holds_secret(url: str) -> bool:
    """Whether a password stands in the URL itself. ${NAME} is none."""
    user = url.partition("://")[2].rpartition("@")[0]
    named = [value for _, value in re.findall(r"(?i)[?&](password|sslpassword)=([^&]*)", url)]
    return any(not VARIABLE.fullmatch(word) for word in (user.partition(":")[2], *named) if word)


def source_of(text: str | Path) -> str | Path:
    """A folder or file; of a database that is asked over a network, its URL."""
    if "://" not in str(text):
        return Path(text)
    if holds_secret(str(text)):
        raise ValueError(
            "must not hold a password: leave it to PGPASSWORD or a password file of mode 0600, or write ${NAME} for a "
            "value of the environment"
        )
    return str(text)


def _in_order(band: tuple[float, float]) -> tuple[float, float]:
    if band[0] > band[1]:
        raise ValueError("must name the lower bound first")
    return band


def _whole(schema: dict[str, Any]) -> None:
    """The names that a params file may set: what LightGBM takes is not declared one by one."""
    schema["properties"] = {
        name: schema["properties"].get(name, {"type": ["number", "boolean"]}) for name in MODEL_NAMES
    }
    schema["additionalProperties"] = False


Zone = Annotated[str, AfterValidator(_known_zone)]
Source = Annotated[str | Path, AfterValidator(source_of)]
Share = Annotated[float, Field(ge=0, le=1)]
Band = Annotated[tuple[float, float], AfterValidator(_in_order)]


# LightGBM's names that a params file may set, and three of ours.
MODEL_NAMES = (
    "num_leaves",
    "learning_rate",
    "n_estimators",
    "min_child_samples",
    "feature_fraction",
    "bagging_fraction",
    "bagging_freq",
    "lambda_l1",
    "lambda_l2",
    "max_bin",
    "max_depth",
    "min_child_weight",
    "min_split_gain",
    "path_smooth",
    "extra_trees",
    "min_events",
    "recency_half_life_days",
    "seeds",
)


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


class Paths(Section):
    source: Source
    store: Path
    out: Path
    tracking_uri: str


class Portfolio(Section):
    time_zone: Zone
    role: Role
    delivers: tuple[DeliveredName, ...]
    lag_days: dict[TableName, Annotated[int, Field(ge=0)]]
    share: Share
    annual_rate: Annotated[float, Field(ge=0)]
    dpd_tolerance: dict[str, Annotated[Decimal, Field(ge=0)]]
    contact_precision: Literal["time", "day", "month"]
    moratorium_pauses: bool = False

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


Every = Literal["month", "week"] | Annotated[int, Field(ge=1)]  # first days of months, Mondays, or so many days apart


class Cohort(Section):
    every: Every
    first: dt.date | None
    last: dt.date | None
    sample_debtors: Annotated[int, Field(ge=1)] | None


class Label(Section):
    horizon_days: Annotated[int, Field(ge=1)]
    maturity_days: Annotated[int, Field(ge=0)]
    default_dpd: Annotated[int, Field(ge=1)]
    default_horizon_days: Annotated[int, Field(ge=1)]
    min_amount: Annotated[float, Field(ge=0)]
    min_share: Share

    @property
    def gap_days(self) -> int:
        """Days after a night until its recovery is known: no night of the fit window may lie
        nearer to the test window.
        """
        return self.horizon_days + self.maturity_days

    @property
    def default_gap_days(self) -> int:
        return self.default_horizon_days + self.maturity_days


class Promise(Section):
    grace_days: Annotated[int, Field(ge=0)]
    grace_unit: Literal["bank_days", "days"] = "bank_days"
    kept_share: Annotated[float, Field(gt=0, le=1)]


class Split(Section):
    test_days: Annotated[int, Field(ge=1)]
    backtest_folds: Annotated[int, Field(ge=0)]


class Model(BaseModel):
    """LightGBM's own names pass through; min_events and seeds are ours."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=(), json_schema_extra=_whole)
    num_leaves: Annotated[int, Field(ge=2)]
    learning_rate: Annotated[float, Field(gt=0)]
    n_estimators: Annotated[int, Field(ge=1)]
    min_events: Annotated[int, Field(ge=1)]
    seeds: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="before")
    @classmethod
    def _known_names(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        unknown = sorted({str(name) for name in raw} - set(MODEL_NAMES))
        if unknown:
            raise _unknown("model", unknown, MODEL_NAMES)
        endless = [name for name, value in raw.items() if isinstance(value, float) and not math.isfinite(value)]
        if endless:
            raise ValueError(f"{', '.join(sorted(endless))} must be finite")
        return raw


class Evaluate(Section):
    capacities: tuple[Annotated[float, Field(gt=0, le=1)], ...]
    bootstrap_draws: Annotated[int, Field(ge=1)]


class Gate(Section):
    money_ratio: Band
    bucket_money_ratio: Band
    bucket_min_debtors: Annotated[int, Field(ge=1)]
    calibration_slope: Band
    max_money_loss: Share
    capacity: Annotated[float, Field(gt=0, le=1)]


class Eligibility(Section):
    """sign_offs: the file of signatures; without it, signed_off: places that nobody in particular signed for.
    rules: overlays on the rule file, in this order. Paths are seen from where recoup runs.
    """

    signed_off: tuple[str, ...] = ()
    sign_offs: str | None = None
    rules: tuple[str, ...] = ()
    margin_minutes: Annotated[int, Field(ge=0)]
    channels: Annotated[tuple[ContactChannel, ...], Field(min_length=1)] = ("call", "sms", "email")

    @model_validator(mode="after")
    def _signed_in_one_way(self) -> Eligibility:
        if self.sign_offs is not None and self.signed_off:
            raise ValueError("must have sign_offs, a file of signatures, or the list signed_off, not both: empty one")
        return self


class Takes(Section):
    """Which accounts a team works, or what needs a skill. An empty list takes any;
    places take what lies in them (US takes US-MA).
    """

    portfolios: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    debtor_types: tuple[Literal["consumer", "commercial"], ...] = ()
    places: tuple[str, ...] = ()


class WaitingFloor(Section):
    days: Annotated[int, Field(ge=1)] = 90
    share: Share = 0.0


Places = Annotated[int, Field(ge=0)]


def _languages_of(schema: dict[str, Any]) -> None:
    schema["enum"] = list(languages())


OF_DISPLAY = "^display_[a-z0-9_]+$"


class Worklist(Section):
    capacity: Annotated[dict[str, Places], Field(json_schema_extra={"required": ["default"]})]
    queue_by: Literal["portfolio", "product", "currency", "team", "skill"]
    teams: dict[str, Takes] = {}
    skills: dict[str, Takes] = {}
    agents: dict[str, dict[str, Places]] = {}
    channel_capacity: dict[ContactChannel, Places] = {}
    attempts: dict[ContactChannel, Annotated[int, Field(ge=1)]] = {}
    part_share: Share = 1.0
    floor: WaitingFloor = WaitingFloor()
    control_share: Annotated[float, Field(ge=0, lt=1)]
    worked_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    language: Annotated[str, Field(json_schema_extra=_languages_of)]
    costs: dict[str, Annotated[float, Field(ge=0)]]
    defer_for_credit: bool = False
    rest_days_after_payment: Annotated[int, Field(ge=0, le=90)] = 0
    demonstration: dt.date | None = None
    dialler_columns: Annotated[
        dict[str, Annotated[str, Field(min_length=1, max_length=64)]],
        Field(
            json_schema_extra={"propertyNames": {"anyOf": [{"enum": list(DIALLER_COLUMNS)}, {"pattern": OF_DISPLAY}]}}
        ),
    ] = {}

    @field_validator("language")
    @classmethod
    def _spoken(cls, value: str) -> str:
        if value not in languages():
            raise ValueError(f"must be one of {', '.join(languages())}")
        return value

    @field_validator("dialler_columns")
    @classmethod
    def _columns_of_the_list(cls, value: dict[str, str]) -> dict[str, str]:
        unknown = [name for name in value if name not in DIALLER_COLUMNS and not re.fullmatch(OF_DISPLAY, name)]
        if unknown:
            raise _unknown("worklist.dialler_columns", unknown, DIALLER_COLUMNS)
        twice = sorted({head for head in value.values() if list(value.values()).count(head) > 1})
        if twice:
            raise ValueError(f"must give each column its own heading, but {', '.join(twice)} stands twice")
        return value

    def capacity_of(self, queue: str) -> int:
        """Debtors a night: of the queue, and where agents work it, no more than they can."""
        own = self.capacity.get(queue, self.capacity["default"])
        return min(own, sum(self.agents[queue].values())) if queue in self.agents else own

    @model_validator(mode="after")
    def _queues_are_defined(self) -> Worklist:
        if self.queue_by in ("team", "skill") and not getattr(self, f"{self.queue_by}s"):
            raise ValueError(f"queue_by {self.queue_by} needs {self.queue_by}s, each with what it takes")
        return self

    @model_validator(mode="after")
    def _the_lot_has_places(self) -> Worklist:
        if self.worked_share > 0 and self.floor.share == 0:
            raise ValueError(
                "worked_share takes its places from the floor; set floor.share above 0, or worked_share to 0"
            )
        if self.worked_share + self.control_share >= 1:
            raise ValueError("control_share and worked_share must leave somebody to the list: together below 1")
        return self

    @field_validator("capacity")
    @classmethod
    def _has_default(cls, value: dict[str, int]) -> dict[str, int]:
        if "default" not in value:
            raise ValueError("must name `default`, the capacity of a queue not named")
        return value


class Value(Section):
    mode: Literal["added", "total"] = "added"
    self_cure_from: Share = 0.8


class Step(Section):
    """A place in time for a message. day: days past due of the oldest unpaid item, below 0 before its due day; null for
    those who very likely pay alone, on any day. open_days: days for which the step stays open, without a day those
    between two of its messages, and never past the due day where it opens by then; most: messages a night.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    day: Annotated[int, Field(ge=-30, le=365)] | None
    message: str
    channels: tuple[MessageChannel, ...]
    portfolios: tuple[str, ...] = ()
    debtor_types: tuple[Literal["consumer", "commercial"], ...] = ()
    open_days: Annotated[int, Field(ge=1, le=30)] = 3
    most: Annotated[int, Field(ge=0)] | None = None

    @property
    def until(self) -> int | None:
        """The days past due from which on it is closed: what is said by the due day is wrong after it."""
        if self.day is None:
            return None
        return min(self.day + self.open_days, 1) if self.day <= 0 else self.day + self.open_days

    @field_validator("channels")
    @classmethod
    def _speaks_somewhere(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("must name the channels of the step, preferred first")
        return value


class Adaptation(Section):
    """Shift of variants towards what worked (Thompson sampling), once a week; never below the floor."""

    on: bool = False
    floor: Annotated[float, Field(ge=0.1, le=0.5)] = 0.1
    matured_per_variant: Annotated[int, Field(ge=300)] = 300


class Reminders(Section):
    """Messages that a night publishes beside its list.

    spacing_days: since any contact of ours; quiet_days: since a payment or an answer; late_from_days: days past due
    within a year from which somebody is reminded before a due day; by_response: whether a message also waits for as
    long as the contact log says that another so soon is worth less; control_share: of debtors over whom no lot of the
    list decides, to whom nothing is said; language: portfolio, place or default -> spoken where none is recorded.
    """

    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    spacing_days: Annotated[int, Field(ge=1)] = 4
    most_in_30_days: Annotated[int, Field(ge=1)] = 4
    quiet_days: Annotated[int, Field(ge=0)] = 7
    late_from_days: Annotated[int, Field(ge=1)] = 3
    by_response: bool = False
    control_share: Annotated[float, Field(ge=0, lt=1)] = 0.05
    language: dict[str, str] = {}
    adapt: Adaptation = Adaptation()

    @model_validator(mode="after")
    def _told_apart(self) -> Reminders:
        names = [step.name for step in self.steps]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"steps must have names of their own, but {', '.join(twice)} stands twice")
        return self

    def language_of(self, portfolio: str, place: str, otherwise: str) -> str:
        """Spoken to debtors of a book in a place for whom no language is recorded."""
        keys = (portfolio, place, place.partition("-")[0], "default")
        return next((self.language[key] for key in keys if key in self.language), otherwise)


class Money(Section):
    reporting_currency: str
    rates: dict[str, Annotated[float, Field(gt=0)]]
    rates_date: dt.date

    @model_validator(mode="after")
    def _worth_itself(self) -> Money:
        own = self.rates.get(self.reporting_currency, 1.0)
        if own != 1.0:
            raise ValueError(
                f"rates must give {self.reporting_currency}, the reporting currency, as 1: each rate says how much "
                f"of it one unit is worth. Got {own:g}"
            )
        return self


class StoreParams(Section):
    shards: Annotated[int, Field(ge=1, le=4096)]


class Engine(Section):
    workers: Annotated[int, Field(ge=1)]
    spark: str | None = None
    memory_limit: str
    spill_limit: str = "40GB"


class Ingest(Section):
    max_fault_rows: Share
    max_fault_money: Share
    quiet_days: Annotated[int, Field(ge=0)]
    max_late_share: Share = 0.1
    volume: Band
    rows_a_day: dict[Literal["payments", "contacts", "statuses"], Band] = {}
    parties: tuple[str, ...] = ()  # with whom placements may be; empty: with anybody


class Watch(Section):
    """What is watched before it is overdue; a params file without it watches nothing. every: the nights that teach it,
    as cohort.every says them of the scorable accounts.
    """

    days_ahead: Annotated[int, Field(ge=1, le=366)] = 30
    late_days: dict[Literal["consumer", "commercial"], Annotated[int, Field(ge=1, le=366)]] = {}
    rolled_days: Annotated[int, Field(ge=1, le=366)] = 30
    every: Every = 19
    reasons: Annotated[int, Field(ge=0)] = 1000


class Receivables(Section):
    """How open invoices of commercial debtors are dunned; a params file without it has no view of them.

    levels: days past due from which each dunning level holds. order_stop_days: from which a stop of orders is proposed
    """

    levels: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, max_length=9)] = (1, 15, 30)
    order_stop_days: Annotated[int, Field(ge=1)] = 45

    @field_validator("levels")
    @classmethod
    def _rise(cls, levels: tuple[int, ...]) -> tuple[int, ...]:
        if list(levels) != sorted(set(levels)):
            raise ValueError("must rise from one to the next")
        return levels


class Insight(Section):
    """What an account that went bad is, where `recoup insight` asks why. within_days: from its opening; bad_dpd: days
    past due on a first of a month within them. margin: portfolio -> what an account that is paid earns, as a share of
    its principal; what a policy would lose is said only where it stands.
    """

    within_days: Annotated[int, Field(ge=30, le=3660)] = 270
    bad_dpd: Annotated[int, Field(ge=1, le=1000)] = 90
    margin: dict[str, Annotated[float, Field(gt=0, le=10)]] = {}


def _address(text: str) -> str:
    if not re.fullmatch(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+", text):
        raise ValueError("must be an address alone, such as desk@client.example")
    return text


Address = Annotated[str, AfterValidator(_address)]


class Mail(Section):
    """To whom the messages of `recoup report --mail` are addressed; nothing is sent. clients: portfolio -> addresses;
    manager: of the collectors' page.
    """

    sender: Address | None = None
    manager: tuple[Address, ...] = ()
    clients: dict[str, tuple[Address, ...]] = {}


class Unusual(Section):
    """What is unusual enough for a person to look at (features.unusual.Limits); a params file without it looks for
    nothing. instrument_debtors, endpoint_debtors: debtors of one instrument or endpoint; shared_by_right: instruments
    and endpoints that many may share; rows: cases of a night at most; verify_days: features.identity.
    """

    rows: Annotated[int, Field(ge=0, le=10_000)] = 100
    days: Annotated[int, Field(ge=1, le=3660)] = 180
    taken_back_days: Annotated[int, Field(ge=0, le=3660)] = 60
    ring_payments: Annotated[int, Field(ge=2)] = 3
    ring_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    change_after: Annotated[int, Field(ge=1)] = 3
    change_times: Annotated[float, Field(ge=1)] = 2.0
    refund_days: Annotated[int, Field(ge=0, le=3660)] = 45
    refund_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    instrument_debtors: Annotated[int, Field(ge=2)] = 3
    endpoint_debtors: Annotated[int, Field(ge=2)] = 3
    shared_by_right: tuple[str, ...] = ()
    verify_days: Annotated[int, Field(ge=0, le=3660)] = 14


Days = Annotated[int, Field(ge=0)]


class Treatments(Section):
    """What is offered, and by whom accounts are worked: the file of the policy, seen from where recoup runs."""

    policy: str


class Monitor(Section):
    """What becomes of a list of which the monitor says stop."""

    on_stop: Literal["publish_marked", "keep_last", "refuse"] = "publish_marked"


class Retention(Section):
    """Days before a night for which each kind of thing is kept; None: for ever."""

    nights: Days | None = None
    scores: Days | None = None
    draws: Days | None = None
    feedback: Days | None = None
    quarantine: Days | None = None
    runs: Days | None = None
    versions: Days | None = None
    even_if_needed: bool = False


class Params(Section):
    """Everything a run depends on besides its inputs."""

    seed: int
    paths: Paths
    portfolio_defaults: Portfolio
    portfolios: dict[str, Portfolio]
    cohort: Cohort
    label: Label
    promise: Promise
    split: Split
    model: Model
    evaluate: Evaluate
    gate: Gate
    eligibility: Eligibility
    value: Value = Value()
    worklist: Worklist
    money: Money
    store: StoreParams
    engine: Engine
    ingest: Ingest
    queries: dict[TableName | Literal["debtors", "control"], str] = {}
    retention: Retention = Retention()
    monitor: Monitor = Monitor()
    messages: str | None = None
    reminders: Reminders | None = None
    watch: Watch | None = None
    treatments: Treatments | None = None
    receivables: Receivables | None = None
    unusual: Unusual | None = None
    insight: Insight = Insight()
    mail: Mail = Mail()
    _stand_ins: dict[str, Path] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _steps_of_known_books(self) -> Params:
        for number, step in enumerate(() if self.reminders is None else self.reminders.steps):
            if unknown := [name for name in step.portfolios if name not in self.portfolios]:
                raise _unknown(f"reminders.steps.{number}.portfolios", unknown, self.portfolios)
        return self

    @model_validator(mode="after")
    def _mail_of_known_books(self) -> Params:
        if unknown := [name for name in self.mail.clients if name not in self.portfolios]:
            raise _unknown("mail.clients", unknown, self.portfolios)
        return self

    @model_validator(mode="after")
    def _margins_of_known_books(self) -> Params:
        if unknown := [name for name in self.insight.margin if name not in self.portfolios]:
            raise _unknown("insight.margin", unknown, self.portfolios)
        return self

    @model_validator(mode="before")
    @classmethod
    def _defaults_reach_every_portfolio(cls, raw: Any) -> Any:
        defaults, named = raw.get("portfolio_defaults") or {}, raw.get("portfolios") or {}
        if not isinstance(defaults, dict) or not isinstance(named, dict):
            return raw  # and be told so
        whole = {
            name: _overlaid(defaults, own or {}) if isinstance(own or {}, dict) else own for name, own in named.items()
        }
        return {**raw, "portfolios": whole}

    def file(self, name: str) -> Path:
        """Where a file of rules or signatures that the params name is read: there, or where a kept copy stands in."""
        return self._stand_ins.get(name, Path(name))

    def standing_in(self, places: Mapping[str, Path]) -> Params:
        """The same params with kept copies in the place of files that they name."""
        copy = self.model_copy()
        copy._stand_ins = dict(places)
        return copy

    def kept(self) -> str:
        """What `digest` is the sha256 of, as JSON; `of_kept` reads it back."""
        sections = ("messages", "reminders", "watch", "receivables", "treatments")
        unset = {name for name in sections if getattr(self, name) is None}
        unset |= {"monitor"} if self.monitor == Monitor() else set()  # nights of earlier versions knew of none
        return self.model_dump_json(exclude={"paths", "engine", "queries", "retention", *unset})

    def of_kept(self, text: str) -> Params:
        """Params as they were kept, at the places and with the engine of these."""
        raw = json.loads(text)
        return Params.model_validate({**raw, "paths": self.paths.model_dump(), "engine": self.engine.model_dump()})

    def portfolio(self, name: str) -> Portfolio:
        return self.portfolios.get(name, self.portfolio_defaults)

    def digest(self) -> str:
        """sha256 of the parsed values that can change a result: not comments, key order,
        places on disk, how a database is asked or the number of workers.
        """
        return hashlib.sha256(self.kept().encode()).hexdigest()

    def label_terms(self) -> LabelTerms:
        return LabelTerms(**self.label.model_dump())

    def watch_terms(self) -> WatchTerms:
        """Raises UsageError where the params watch nothing."""
        if self.watch is None:
            raise UsageError(
                "There is no watch cohort: the params have no section `watch`. Add `watch: {days_ahead: 30}` to them."
            )
        own = self.watch
        late_days = {**WatchTerms().late_days, **own.late_days}
        return WatchTerms(own.days_ahead, late_days, own.rolled_days, self.label.maturity_days)

    def terms(
        self, portfolios: list[str], decimals: dict[str, int], holidays: Mapping[str, Sequence[int]] | None = None
    ) -> Terms:
        """The part of the params that the ledger and the features need, for the portfolios and currencies at hand.

        holidays: place -> days on which its banks are closed; Monday to Friday alone where None.
        """
        tolerance = {
            (name, currency): int((amount * 10 ** decimals[currency]).to_integral_value(ROUND_HALF_EVEN))
            for name in portfolios
            for currency, amount in self.portfolio(name).dpd_tolerance.items()
            if currency in decimals
        }
        return Terms(
            promise_grace_days=self.promise.grace_days,
            promise_grace_unit=self.promise.grace_unit,
            holidays=holidays or {},
            promise_kept_share=self.promise.kept_share,
            dpd_tolerance=tolerance,
            pauses=frozenset(name for name in portfolios if self.portfolio(name).moratorium_pauses),
            delivers={name: frozenset(self.portfolio(name).delivers) for name in portfolios},
            rates=dict(self.money.rates),
            decimals=dict(decimals),
        )


def shipped(name: str) -> Path:
    """params.yaml or sample, as they come with the product: inside an installed package, else where they are kept."""
    inside = Path(__file__).parent / name
    house = Path(__file__).parents[1]
    return inside if inside.exists() else {"params.yaml": house / name, "sample": house / "data" / "sample"}[name]


def load(path: Path) -> Params:
    """Read and check the params file; every fault is named at once."""
    if path == DEFAULT and not path.exists():
        raise NotBegun.here()
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ParamsMissing.file(str(path), error.strerror) from None
    if len(content) > MOST_BYTES:
        raise ParamsRefused.too_large(str(path))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParamsRefused.no_text(str(path), content.count(b"\n", 0, error.start) + 1) from None
    try:
        written = yaml.compose(text, yaml.SafeLoader)
        _check_written(written, str(path))
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a date or a number that cannot be is a ValueError
        mark = getattr(error, "problem_mark", None)
        raise ParamsRefused.no_yaml(str(path), mark.line + 1 if mark else None) from None
    except RecursionError:
        raise ParamsRefused.too_large(str(path)) from None
    if not isinstance(raw, dict):
        raise ParamsRefused.no_sections(str(path))
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        raise ParamsRefused.values(str(path), _sentences(error, written)) from None


def _check_written(written: yaml.Node | None, path: str) -> None:
    """Refuses a key that stands twice, and more values or levels than a params file can need."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, depth: int) -> int:
        if depth > DEEPEST:
            raise ParamsRefused.too_large(path)
        if id(node) not in sizes:
            sizes[id(node)] = MOST_VALUES + 1  # of a node that holds itself
            if isinstance(node, yaml.MappingNode):
                seen = set()
                for key, _ in node.value:
                    name = str(key.value)
                    if name in seen and name != "<<":
                        raise ParamsRefused.doubled(path, name[:LONGEST_SHOWN], key.start_mark.line + 1)
                    seen.add(name)
                sizes[id(node)] = 1 + sum(size(part, depth + 1) for pair in node.value for part in pair)
            elif isinstance(node, yaml.SequenceNode):
                sizes[id(node)] = 1 + sum(size(part, depth + 1) for part in node.value)
            else:
                sizes[id(node)] = 1
        return sizes[id(node)]

    if written is not None and size(written, 0) > MOST_VALUES:
        raise ParamsRefused.too_large(path)


def _overlaid(defaults: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = dict(defaults)
    for key, value in own.items():
        base = defaults.get(key)
        merged[key] = {**base, **value} if isinstance(base, dict) and isinstance(value, dict) else value
    return merged


def _line_of(written: yaml.Node | None, where: Iterable[object]) -> int:
    """Of the value at this place; of the nearest one around it where that is not written."""
    node = written
    for part in where:
        if isinstance(node, yaml.MappingNode):
            inner = next((value for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            inner = node.value[part]
        else:
            break
        if inner is None:
            break
        node = inner
    return 1 if node is None else node.start_mark.line + 1


def _shown(place: str, value: object) -> str:
    """What stands there, shortened; never what may open a door."""
    text = repr(value)
    if _SECRET.search(place) or "://" in text:
        return "a value that is not shown here"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _sentences(error: ValidationError, written: yaml.Node | None) -> list[str]:
    sentences, unknown = [], {}
    for fault in error.errors():
        if not fault["loc"]:  # of sections that do not fit each other: the sentence names them
            sentences.append(f"{fault['msg'].removeprefix('Value error, ')}.")
            continue
        *where, key = fault["loc"]
        place = ".".join(str(part) for part in where)
        if fault["type"] == "extra_forbidden":
            unknown.setdefault(place, []).append(str(key))
        else:
            name = ".".join(str(part) for part in fault["loc"])
            got = "" if fault["type"] == "missing" else f" Got {_shown(name, fault['input'])}."
            line = _line_of(written, fault["loc"])
            sentences.append(f"{name}: {fault['msg'].removeprefix('Value error, ')}.{got} See line {line}.")
    for place, keys in unknown.items():
        sentences.append(str(UsageError.unknown_keys(place or "the top level", keys, _known_keys(place))))
    return sentences


def _known_keys(place: str) -> list[str]:
    section: Any = Params
    for part in [part for part in place.split(".") if part and not part.isdecimal()]:
        annotation = section.model_fields[part].annotation if part in section.model_fields else Portfolio
        kinds = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
        section = next((kind for kind in kinds if issubclass(kind, BaseModel)), Portfolio)
    return list(section.model_fields)
