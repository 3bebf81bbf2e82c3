"""The README's figures are those that benchmarks/figures.py counts and keeps."""

from __future__ import annotations

import pytest

from benchmarks.figures import README, STANDS, TIMED, figures, written


def test_the_readme_says_the_figures_that_are_counted_and_kept():
    text, told = README.read_text(encoding="utf-8"), figures()
    assert set(told) == set(STANDS)
    assert set(TIMED) < set(told)
    assert written(text, told) == text


@pytest.mark.parametrize("name", STANDS)
def test_another_figure_is_written_where_it_stands(name):
    text = README.read_text(encoding="utf-8")
    other = written(text, {**figures(), name: "123,456"})
    assert other != text
    assert other.replace("123,456", figures()[name], 1) == text


def test_a_figure_that_stands_nowhere_is_not_passed_over():
    with pytest.raises(SystemExit, match="The figure places must stand once in the README. Got 0"):
        written("nothing", figures())
