"""Texts from users remain plain text on a page."""

import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softal_bench.report.pages.markdown import escape, escape_block, table


@pytest.mark.parametrize(
    "label", ["power(bald, T=0.125)", "variation_ratios", "96.8 [96.6, 97.0] (5)", "∞ / ∞ / ∞ (3)"]
)
def test_ordinary_text_is_not_changed(label: str) -> None:
    assert escape(label) == label


@given(st.text())
def test_escaped_text_has_no_tag_new_line_or_unescaped_sign(text: str) -> None:
    escaped = escape(text)
    assert not re.search(r"[<>\n\r]", escaped)
    assert not re.search(r"(?<!\\)(\\\\)*[`|*~$]", escaped)
    assert not re.search(r"(?<!\\)(\\\\)*\][(\[:]", escaped)


@given(st.text(alphabet="#+-=1.) a_*[>~`", min_size=1))
def test_text_cannot_start_a_block_or_end_a_heading(text: str) -> None:
    assert not re.match(r"[#+\-=>*\[~`]|\d+[.)]", escape_block(text))
    assert not re.search(r"(^|\s)#+$", escape_block(text))


@pytest.mark.parametrize(
    ("text", "escaped"), [("- x", "\\- x"), ("1. x", "1\\. x"), ("C #", "C \\#"), ("C ##", "C \\##"), ("C#", "C#")]
)
def test_items_and_headings_show_their_exact_text(text: str, escaped: str) -> None:
    assert escape_block(text) == escaped


@given(st.text(), st.text())
def test_all_rows_of_a_table_have_the_same_number_of_cells(label: str, text: str) -> None:
    cells = pd.DataFrame([[text, "x"]], index=pd.Index([label], name="Method"), columns=["a|b", "c"])
    for row in table(cells).split("\n"):
        unescaped = re.sub(r"\\.", "", row)
        assert unescaped.count("|") == 4
