"""What the page holds, read as text.

Also of templating.py.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pandas as pd

from pipeline.columns import WORKLIST_COLUMNS
from pipeline.pages.page import html
from pipeline.pages.templating import TEMPLATES
from tests.worlds.paper_nights import HOSTILE, hostile, night


class Page(HTMLParser):
    """Tags, ids and texts of a page, as a browser nests them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.open: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "input", "link", "br", "col", "img"):
            self.open.append((tag, dict(attributes).get("id")))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for _, identity in self.open:
            if identity:
                self.texts[identity] = self.texts.get(identity, "") + data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def data_of(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="night">(.*?)</script>', text, re.S).group(1))


def test_the_page_runs_only_its_own_script_and_asks_the_network_for_nothing():
    text = html(night(20))
    page = Page(text)
    policy = next(tag["content"] for tag in page.named("meta") if tag.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        body = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.S).group(1)
        assert f"{directive} 'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'" in policy
    assert {name for name, _ in page.tags}.isdisjoint({"link", "img", "iframe", "object", "base", "form"})
    assert [
        name for _, attributes in page.tags for name in attributes if name in ("src", "style") or name.startswith("on")
    ] == []
    code = "".join((TEMPLATES / name).read_text() for name in ("worklist.js", "worklist.css"))
    assert (
        re.findall(
            r"fetch\(|XMLHttpRequest|import\(|url\(|@import|innerHTML|insertAdjacentHTML|document\.write|eval\(", code
        )
        == []
    )


def test_the_page_holds_what_the_night_holds():
    made = night(40)
    data = data_of(html(made))
    columns = {column["name"]: column for column in data["worklist"]["columns"]}
    assert tuple(columns) == WORKLIST_COLUMNS
    assert columns["net_value"]["values"] == made.worklist["net_value"].tolist()
    assert [data["strings"][index] for index in columns["account_id"]["values"]] == made.worklist["account_id"].tolist()
    assert columns["as_of"]["values"] == [0] * 40
    assert data["counts"] == made.counts
    assert data["totals"] == made.totals()
    assert data["zones"]["America/New_York"] == -300
    assert [rule[3] for rule in data["later"]["deferred"]["rules"]] == made.deferred["rule"].value_counts().tolist()


def test_hostile_text_ends_no_element_of_the_page():
    text = html(hostile())
    page = Page(text)
    assert [attributes.get("type") for attributes in page.named("script")] == ["application/json", None]
    assert page.named("img") == []
    assert set(HOSTILE[:3]) <= set(data_of(text)["strings"])
    assert "<img" not in text
    assert "\u2028" not in text.split("<script")[1]


def test_long_lists_of_others_are_cut_and_counted():
    made = night(30)
    many = pd.concat([made.excluded] * 800, ignore_index=True)
    counts = made.counts | {"excluded": len(many), "scorable": made.counts["scorable"] - len(made.excluded) + len(many)}
    later = data_of(html(night(30, excluded=many, counts=counts)))["later"]["excluded"]
    assert (later["rows"], later["all"]) == (2_000, len(many))
    assert sum(count for *_, count in later["rules"]) == len(many)
