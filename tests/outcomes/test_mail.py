"""Messages of the reports: the page whole, the same bytes, to whom the params say, nothing else.

Also of teller.py.
"""

from __future__ import annotations

import json
import stat
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from pipeline.outcomes.book_pages import mails, write_reports
from pipeline.pages.without import mentions
from pipeline.params import Mail, ParamsRefused, load
from tests.worlds.afterwards import NIGHT, House
from tests.worlds.commands import recoup
from tests.worlds.marked_pages import Marked
from tests.worlds.params import written_params


@pytest.fixture(scope="module")
def house(two_nights) -> House:
    own = Mail(sender="desk@house.example", manager=("head@house.example",), clients={"loan_eu": ("a@b.example",)})
    return House(two_nights.folder, two_nights.params.model_copy(update={"mail": own}))


@pytest.fixture(scope="module")
def reports(house, tmp_path_factory) -> Path:
    return write_reports(house.store, tmp_path_factory.mktemp("out"), NIGHT, 30, house.params, "en", mail=True)


def opened(place: Path) -> EmailMessage:
    made = message_from_bytes(place.read_bytes(), policy=SMTP)
    assert isinstance(made, EmailMessage)
    return made


def test_each_page_but_the_summary_goes_with_a_message(reports):
    pages = {place.stem for place in reports.glob("*.html")} - {"summary"}
    assert {place.stem for place in reports.glob("*.eml")} == pages
    for name in pages:
        made = opened(reports / f"{name}.eml")
        (page,) = made.iter_attachments()
        assert page.get_payload(decode=True) == (reports / f"{name}.html").read_bytes()
        assert (page.get_content_type(), page.get_filename()) == ("text/html", f"{name}.html")
        assert made["X-Unsent"] == "1"  # a mail program opens it to be sent
        assert made["Date"].datetime.date() == NIGHT
        assert max(map(len, (reports / f"{name}.eml").read_bytes().split(b"\r\n"))) <= 998
    assert {stat.S_IMODE(place.stat().st_mode) for place in reports.iterdir()} == {0o600}


def test_to_whom_the_params_say_and_to_nobody_else(reports):
    heads = {place.stem: opened(place) for place in reports.glob("*.eml")}
    assert {made["From"] for made in heads.values()} == {"desk@house.example"}
    to = {name: made["To"] for name, made in heads.items() if made["To"]}
    assert to == {"client-loan_eu": "a@b.example", "collectors": "head@house.example"}
    assert heads["client-loan_eu"]["Subject"] == f"Report on loan_eu {NIGHT}"


def test_the_text_says_what_the_page_says_first(reports):
    body = opened(reports / "client-card_gb.eml").get_body(("plain",))
    assert body is not None
    text = body.get_content()
    shown = Marked((reports / "client-card_gb.html").read_text(encoding="utf-8")).found
    at = ("portfolios", "card_gb")
    for place in (("worked", "attempts"), ("source", "GBP", "worked"), ("source", "GBP", "ordinary")):
        assert shown[(*at, *place)][1] in text
    assert "<" not in text
    assert "The whole page is attached." in text
    body = opened(reports / "collectors.eml").get_body(("plain",))
    assert body is not None
    assert "Not told apart: 0. Too few: " in body.get_content()


def test_the_same_store_gives_the_same_bytes(house, reports, tmp_path):
    again = write_reports(house.store, tmp_path, NIGHT, 30, house.params, "en", mail=True)
    assert {place.name: place.read_bytes() for place in again.iterdir()} == {
        place.name: place.read_bytes() for place in reports.iterdir()
    }


def test_a_name_cannot_write_a_header(house, reports):
    told = json.loads((reports / "figures.json").read_text())
    name = "x\r\nBcc: spy@example\n"
    spoilt = {**told, "portfolios": {name: told["portfolios"]["card_gb"]}}
    pages = {"client-x.html": "<p>page</p>", "collectors.html": "<p>page</p>"}
    found = mails(spoilt, {name: "client-x.html"}, pages, house.params, "en")
    made = message_from_bytes(bytes(found["client-x.eml"]), policy=SMTP)
    assert made["Bcc"] is None
    assert made["Subject"] == f"Report on x Bcc: spy@example {NIGHT}"


def test_who_is_named_in_a_message_is_found_when_forgotten(reports):
    """An attachment is packed, and an account stands in it all the same."""
    told = json.loads((reports / "figures.json").read_text())
    account = told["portfolios"]["loan_eu"]["annex"]["EUR"]["rows"][0][0]
    content = (reports / "client-loan_eu.eml").read_bytes()
    assert account.encode() not in content
    assert mentions(content, {account})
    assert not mentions(content, {"surely-nobody"})
    assert not mentions((reports / "collectors.eml").read_bytes(), {account})


@pytest.mark.parametrize(
    ("mail", "said"),
    [
        ({"sender": "desk@house.example\nBcc: spy@example"}, "must be an address alone"),
        ({"manager": ["Head <head@house.example>"]}, "must be an address alone"),
        ({"clients": {"loan_uk": ["a@b.example"]}}, "loan_uk"),
    ],
)
def test_what_is_no_address_or_no_book_is_refused(tmp_path, mail, said):
    with pytest.raises(ParamsRefused, match=said):
        load(written_params(tmp_path / "params.yaml", tmp_path, mail=mail))


def test_the_command_writes_them_when_asked(house, tmp_path, capsys):
    paths = ["--store", str(house.store), "--out", str(tmp_path), "--language", "de"]
    assert recoup(house.folder, "report", "--as-of", NIGHT.isoformat(), *paths, "--mail") == 0
    place = Path(capsys.readouterr().out.strip()).parent
    made = opened(place / "collectors.eml")
    assert (made["From"], made["To"]) == (None, None)
    assert made["Subject"] == f"Sachbearbeiter {NIGHT}"
