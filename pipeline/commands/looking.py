"""Commands that answer a question: one account, other capacities, the contact law, texts and treatments."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click import option

from pipeline.commands.table import (
    ACCOUNT,
    AS_OF,
    DAY,
    FOLDER,
    KEPT_FOLDER,
    MOST,
    PLACE,
    STORE,
    command,
    date,
    moment,
    needs,
    whole_numbers,
)

if TYPE_CHECKING:
    from pipeline.params import Params

FORMATS = ("table", "csv", "json")  # of an answer


@command(
    STORE,
    AS_OF,
    option("--account", help="account_id"),
    option(
        "--offers",
        type=click.IntRange(1, MOST),
        metavar="N",
        help="In place of one account: N of the night, of every way they are treated, with their routes' sums.",
    ),
    option("--all", "everything", is_flag=True, help="Every reason, rule and event, not only those that weigh most."),
    option("--plot", type=PLACE, help="Also draw what moved the score, as a waterfall, into this PNG file."),
    use="look",
)
def explain(
    params: Params,
    store: Path,
    as_of: dt.date,
    account: str | None,
    offers: int | None,
    everything: bool,
    plot: Path | None,
) -> None:
    """One account's scores, reasons, eligibility and events; before its due day, how likely it is late. Or offers and
    routes of some accounts.
    """
    if (account is None) == (offers is None):
        raise click.UsageError("Give --account, or --offers: one of them.")
    if account is None:
        from pipeline.night.some_accounts import explain_some

        if everything or plot is not None:
            raise click.UsageError("--all and --plot belong to --account.")
        click.echo(explain_some(store, as_of, offers or 1, params))
        return
    from features.errors import UsageError
    from pipeline.night.one_account import explain_account
    from pipeline.store.files import check_folder

    if plot is not None:
        needs("shap", "matplotlib")
        check_folder(plot.parent)
    found = explain_account(store, as_of, account, params, everything)
    click.echo(found.text)
    if plot is not None:
        if found.reasons.empty:
            raise UsageError("There are no reasons to draw: the model in use was not taught of such accounts.")
        from pipeline.training.charts import draw_waterfall

        draw_waterfall(found.reasons, "average account", "this account", f"Account {account} as of {as_of}", plot)


@command(
    click.argument("question", required=False),
    STORE,
    option("--nights", type=KEPT_FOLDER, help="Folder of published nights [default: paths.out of the params]."),
    option(
        "--as-of", type=DAY, callback=date, help="As it was known before this day, with nights up to it [default: now]."
    ),
    option("--format", "form", type=click.Choice(FORMATS), help="[default: by the ending of --out, else table]"),
    option("--out", "file", type=PLACE, help="Write the answer into this file."),
    option(
        "--seconds",
        type=click.FloatRange(0.01, 36_000),
        default=60.0,
        show_default=True,
        help="How long an answer may take.",
    ),
    use="look",
)
def sql(
    params: Params,
    question: str | None,
    store: Path,
    nights: Path | None,
    as_of: dt.date | None,
    form: str | None,
    file: Path | None,
    seconds: float,
) -> None:
    """Answer one SELECT over the tables as they were known, the panel and the published lists; `-` reads it from stdin,
    none at all lists what may be asked of.
    """
    from pipeline.insight.answers import answer, told_views

    folder = params.paths.out if nights is None else nights
    if question is None:
        click.echo(told_views(store, folder, params))
        return
    text = sys.stdin.read() if question == "-" else question
    by_ending = "" if file is None else file.suffix.lower().removeprefix(".")
    told = form or (by_ending if by_ending in FORMATS else "table")
    answer(text, store, folder, params, as_of, told, seconds, file, sys.stdout)


@command()
def messages(params: Params) -> None:
    """Check the texts that machines send, and print each with its length; every fault is named with its line."""
    from pipeline.messages.texts import messages_of, table_of

    click.echo(table_of(messages_of(params)))


@command(
    option("--policy", type=PLACE, help="File of the policy [default: the example that comes with recoup]."),
    option("--from", "from_day", type=DAY, callback=date, help="Day whose law binds [default: today]."),
)
def treatments(params: Params, policy: Path | None, from_day: dt.date | None) -> None:
    """Check a treatment policy, hold it against the law of the places signed off, and print what it allows; every fault
    is named with its line."""
    from pipeline.law.overlay import law_of
    from pipeline.law.sign_off import signed_by
    from pipeline.treatment.policy import SHIPPED, policy_of
    from pipeline.treatment.telling import policy_told

    law, day = law_of(params), from_day or dt.datetime.now(dt.UTC).date()
    places = sorted({*params.eligibility.signed_off, *signed_by(params)})
    click.echo(policy_told(policy_of(policy or SHIPPED, law, places, day), law, places, day))


@command(STORE, AS_OF, ACCOUNT, use="look")
def eligibility(params: Params, store: Path, as_of: dt.date, account: str) -> None:
    """Everything that decides whether, when and how one account may be contacted on a day."""
    from pipeline.night.one_account import eligibility_of

    click.echo(eligibility_of(store, as_of, account, params))


@command(
    STORE,
    option("--account", help="account_id"),
    option("--channel", help="call, sms, email, ..."),
    option("--at", help="The moment, ISO 8601 with offset: 2026-11-02T10:15:00+01:00 [of --file: now]."),
    option("--file", "questions", type=PLACE, help="CSV of account_id, channel, and at where need be."),
    use="look",
)
def check(
    params: Params, store: Path, account: str | None, channel: str | None, at: str | None, questions: Path | None
) -> None:
    """At the moment of contact: still permitted? The first word of the answer is permitted, deferred or excluded."""
    if questions is None and click.get_current_context().obj:
        from features.compiled import in_plain_python

        in_plain_python()
    from pipeline.night.contact_check import check_contact, check_file

    when = None if at is None else moment(at, "--at", "2026-11-02T10:15:00+01:00", needs_offset=True)
    if questions is not None:
        if account is not None or channel is not None:
            raise click.UsageError("Give --file, or --account and --channel: one of them.")
        click.echo(check_file(store, questions, when or dt.datetime.now(dt.UTC), params))
        return
    if account is None or channel is None or when is None:
        raise click.UsageError("Give --account, --channel and --at, or --file with many questions.")
    click.echo(check_contact(store, account, channel, when, params))


@command(
    STORE,
    option("--check", "checks", is_flag=True, help="Answer `recoup check` over HTTP, and take contacts in."),
    option("--token-file", type=PLACE, required=True, help="File of mode 0600 with the token that askers must give."),
    option("--host", default="127.0.0.1", show_default=True, help="Address to listen at."),
    option("--port", type=click.IntRange(1, 65535), default=8711, show_default=True),
    use="stay",
)
def serve(params: Params, store: Path, checks: bool, token_file: Path, host: str, port: int) -> None:
    """Answer questions of programs at the moment of contact, until a signal ends it."""
    needs("starlette", "uvicorn", extra="serve")
    from pipeline.serving import serve as answer
    from pipeline.serving import token_in

    if not checks:
        raise click.UsageError("Name what to serve: --check.")
    answer(store, params, token_in(token_file), host, port, click.get_current_context().params["params_path"])


@command(
    STORE,
    AS_OF,
    option("--capacity", help="Debtors per queue, several by commas: 50,100,200."),
    option("--policy", type=PLACE, help="A treatment policy, to be set beside the params' own."),
    option(
        "--past",
        type=click.IntRange(0, 60),
        metavar="N",
        help="With --policy: matured nights, a horizon apart, on which both are worked out too [default: 3].",
    ),
    option("--out", "picture", type=PLACE, help="Also draw the curve into this PNG file."),
    option("--truth", type=FOLDER, help="truth/ of a simulated source: adds what is true, and the best possible."),
    use="look",
)
def whatif(
    params: Params,
    store: Path,
    as_of: dt.date,
    capacity: str | None,
    policy: Path | None,
    past: int | None,
    picture: Path | None,
    truth: Path | None,
) -> None:
    """Money, contacts and burden of a night at other capacities, against P x balance, balance first,
    oldest first and newest first; or what another treatment policy would do.
    """
    if (capacity is None) == (policy is None):
        raise click.UsageError("Give --capacity, or --policy: one of them.")
    if policy is not None:
        from pipeline.night.policies import PAST_NIGHTS, compare_policies

        if picture is not None or truth is not None:
            raise click.UsageError("--out and --truth belong to --capacity.")
        click.echo(compare_policies(store, as_of, policy, params, PAST_NIGHTS if past is None else past))
        return
    if past is not None:
        raise click.UsageError("--past belongs to --policy.")
    from pipeline.night.whatif import compare_capacities

    if picture is not None:
        needs("matplotlib")
    refusal = "--capacity must be whole numbers separated by commas, such as 50,100,200."
    click.echo(compare_capacities(store, as_of, whole_numbers(capacity, 0, MOST, refusal), params, picture, truth))


@command(
    option("--place", help="Only this place, such as US-MA."),
    option("--upcoming", type=click.IntRange(1, 3650), metavar="DAYS", help="Only what changes within so many days."),
    option("--from", "from_day", type=DAY, callback=date, help="First day of --upcoming [default: today]."),
    kind=click.Group,
)
def rules(params: Params, place: str | None, upcoming: int | None, from_day: dt.date | None) -> None:
    """Every place's contact law, what is unverified, and what signing a place off means."""
    from pipeline.law.overlay import law_of
    from pipeline.law.places import places
    from pipeline.law.upcoming import announced

    if upcoming is not None:
        click.echo(announced(law_of(params), params, from_day or dt.datetime.now(dt.UTC).date(), upcoming, place))
    else:
        click.echo(places(law_of(params), params, place))


@command(
    option("--place", "codes", multiple=True, required=True, help="The place whose law was read; may be given again."),
    option("--by", required=True, help="Name of the person who read it and answers for it."),
    of=rules,
)
def sign(params: Params, codes: tuple[str, ...], by: str) -> None:
    """Sign the contact law of a place off: who, when, and the sha256 of the rules that this covers."""
    from pipeline.law.overlay import law_of
    from pipeline.law.sign_off import sign as sign_off

    click.echo(sign_off(codes, by, dt.datetime.now(dt.UTC), law_of(params), params))
