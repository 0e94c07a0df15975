"""The index of the leaderboard is built from the pages in its folder."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from softal_bench.report.pages.publishing import Entry, from_comment, to_comment, write_index
from softal_bench.report.pages.trials import write_pages

from .example import ExampleSuite


def test_the_index_has_a_line_for_each_suite_page(suite: ExampleSuite) -> None:
    write_pages(suite.collect(), suite.leaderboard)
    other = replace(suite, name="other", title=None, description="", trials=2)
    write_pages(other.collect(), suite.leaderboard)
    (suite.leaderboard / "notes.md").write_text("# Not a suite's page\n")
    index = write_index(suite.leaderboard).read_text(encoding="utf-8")
    assert index.endswith(
        "| [An example](example.md) | Says what it is for. | 3 of 3 trials |\n"
        "| [other](other.md) |  | 0 of 2 trials |\n"
    )
    assert "Not a suite" not in index


def test_a_removed_page_is_no_longer_in_the_index(suite: ExampleSuite) -> None:
    write_pages(suite.collect(), suite.leaderboard).unlink()
    assert "example" not in write_index(suite.leaderboard).read_text(encoding="utf-8")


@given(st.text(), st.text(), st.integers(0, 99))
def test_an_entry_is_read_back_from_its_comment_and_cannot_close_it(title: str, summary: str, done: int) -> None:
    entry = Entry(title, summary, done, 99, "trials")
    comment = to_comment(entry)
    assert from_comment(comment) == entry
    assert comment.count("-->") == 1
    assert "\n" not in comment


def test_a_line_without_an_entry_gives_none() -> None:
    assert from_comment("# A title") is None
    assert from_comment("<!-- softal-bench suite page: {broken -->") is None
    assert from_comment('<!-- softal-bench suite page: {"title": "x"} -->') is None
