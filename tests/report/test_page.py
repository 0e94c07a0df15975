"""Pages written from journals with known answers."""

from dataclasses import replace
from pathlib import Path

import pytest

from softal_bench.errors import SoftalError
from softal_bench.records.trials import Results
from softal_bench.report.pages import trials
from softal_bench.report.pages.sections import Rendered
from softal_bench.report.pages.trials import write_pages
from softal_bench.report.stats.numbers import ABSENT

from .example import POWER, ExampleAcquisition, ExampleCondition, ExampleSuite, lines, write

FIRST = ExampleCondition()


def publish(suite: ExampleSuite) -> str:
    write_pages(suite.collect(), suite.leaderboard)
    return suite.page


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_page_shows_progress_and_results(suite: ExampleSuite) -> None:
    page = publish(suite)
    assert "\n# An example\n\nSays what it is for.\n\nAnd more.\n" in page
    assert "**3 of 3 trials done** (1 acquisition function, 3 trials of each condition)." in page
    assert "| uniform | 40 / 50 / ∞ (3) |" in page
    assert "| uniform | 88.3 [80.0, 95.0] (3) |" in page
    assert "![Test accuracy against labels, B = 10](figures/example-B10.svg)" in page
    assert "- Device: Example CPU, 2 cores (cpu)\n- CPU threads of a trial: 1\n" in page
    assert "- Packages: softal-bench 0.1.0, torch 2.4.0\n- Dates: 2025-03-01 to 2025-03-03 (UTC)\n" in page
    assert "- training.patience: 3" in page
    assert (suite.leaderboard / "figures" / "example-B10.svg").read_bytes().startswith(b"<?xml")


def test_the_same_journals_give_the_same_bytes_in_any_folder(suite: ExampleSuite, tmp_path: Path) -> None:
    publish(suite)
    first = contents(suite.leaderboard)
    publish(suite)
    assert contents(suite.leaderboard) == first
    elsewhere = replace(suite, folder=tmp_path / "elsewhere")
    (elsewhere.leaderboard / "records").mkdir(parents=True)
    suite.runs.joinpath("example").rename(elsewhere.leaderboard / "records" / "example")
    publish(elsewhere)
    assert {name: data for name, data in contents(elsewhere.leaderboard).items() if "records" not in name} == first


def test_a_page_says_if_its_suite_was_not_run(tmp_path: Path) -> None:
    suite = ExampleSuite(tmp_path)
    page = publish(suite)
    assert "**0 of 3 trials done**; 3 not run" in page
    assert "| uniform | not run |" in page
    assert "No trial was run." in page
    assert not (suite.leaderboard / "figures").exists()


def test_trials_that_are_not_done_are_counted_and_failures_listed(suite: ExampleSuite) -> None:
    suite = replace(suite, trials=5)
    write(suite.path(FIRST, 0), lines(FIRST, 0, [0.5], "failed", "ValueError: score | NaN\nat x.py:3"))
    traceback = 'Traceback (most recent call last):\n  File "x.py", line 3\nKeyError: 7\n'
    write(suite.path(FIRST, 1), lines(FIRST, 1, [0.5], "timeout", traceback))
    write(suite.path(FIRST, 3), lines(FIRST, 3, [0.5, 0.6], None))
    suite.path(FIRST, 4).write_text("no journal\n")
    page = publish(suite)
    assert "**1 of 5 trials done**; 1 failed, 1 timed out, 1 unfinished, 1 not readable" in page
    assert "- uniform, B = 10: 1 done, 1 failed, 1 timed out, 1 unfinished, 1 not readable" in page
    assert f"| uniform | 10 | 0 | failed | {FIRST.key(0)} | ValueError: score \\| NaN |" in page
    assert f"| uniform | 10 | 1 | timed out | {FIRST.key(1)} | KeyError: 7 |" in page
    assert f"- {FIRST.key(4)}.jsonl: line 1 is not JSON" in page
    assert str(suite.folder) not in page


def test_a_method_without_a_line_is_named_under_the_figure(suite: ExampleSuite) -> None:
    page = publish(replace(suite, conditions=[FIRST, ExampleCondition(POWER)]))
    assert "Not drawn because no trial is done: power(bald, T=0.125) (not run)." in page


def test_each_setting_has_its_own_heading_and_figures(suite: ExampleSuite) -> None:
    other = replace(FIRST, patience=9)
    suite = replace(suite, conditions=[FIRST, other], varied=("training.patience",))
    write(suite.path(other, 0), lines(other, 0, [0.5, 0.9]))
    page = publish(suite)
    assert "\n## training.patience = 3\n" in page
    assert "\n## training.patience = 9\n" in page
    assert "(figures/example-B10.2.svg)" in page
    assert (suite.leaderboard / "figures" / "example-B10.2.svg").exists()


def test_values_that_depend_on_b_are_shown_with_their_b(suite: ExampleSuite) -> None:
    larger = replace(FIRST, batch_size=50, posterior_samples=50)
    power = ExampleCondition(POWER)
    page = publish(replace(suite, conditions=[FIRST, larger, power]))
    assert f"| uniform | uniform | {ABSENT} | 20 (B = 10); 50 (B = 50) |" in page
    assert "| power(bald, T=0.125) | power | score=bald, temperature=0.125 | 20 |" in page


def test_different_versions_are_shown_with_their_numbers_of_trials(suite: ExampleSuite) -> None:
    journal = lines(FIRST, 0, [0.5, 0.9])
    journal[0]["versions"]["torch"] = "2.5.0"
    write(suite.path(FIRST, 0), journal)
    assert "torch 2.4.0 (2 trials), 2.5.0 (1 trial)" in publish(suite)


def test_a_page_does_not_need_environment_versions_or_times(suite: ExampleSuite) -> None:
    journal = lines(FIRST, 0, [0.5, 0.9])
    journal[0].update(environment=None, versions=None)
    journal[1]["time"] = "yesterday"
    write(suite.path(FIRST, 0), journal)
    assert "unknown" in publish(replace(suite, trials=1))


def test_user_text_never_becomes_markup(suite: ExampleSuite) -> None:
    label = "x|y</td><script>`"
    condition = ExampleCondition(ExampleAcquisition(label, "x"))
    suite = replace(
        suite,
        conditions=[condition],
        title="T\n# <b>",
        description="--> <img src=x>\n\n- [a](javascript:b)",
        trials=1,
    )
    write(suite.path(condition, 0), lines(condition, 0, [0.5], "failed", "<script> | `rm`"))
    page = publish(suite)
    index = (suite.leaderboard / "README.md").read_text(encoding="utf-8")
    for text in (page.split("-->", 1)[1], index):
        assert "<" not in text
        assert "](javascript" not in text.replace("\\](", "")
    assert page.count("-->") == 1
    assert "\n# T # &lt;b&gt;\n" in page
    assert "| x\\|y&lt;/td&gt;&lt;script&gt;\\` |" in page


def test_a_figure_that_the_page_no_longer_shows_is_removed(suite: ExampleSuite) -> None:
    smaller = replace(FIRST, batch_size=5)
    both = replace(suite, conditions=[FIRST, smaller])
    write(both.path(smaller, 0), lines(smaller, 0, [0.5, 0.9]))
    publish(both)
    figures = suite.leaderboard / "figures"
    assert (figures / "example-B5.svg").exists()
    publish(suite)
    assert {path.name for path in figures.glob("*.svg")} == {"example-B10.svg", "example-seconds.svg"}


@pytest.mark.parametrize("name", ["README", "readme"])
def test_no_suite_may_have_the_name_of_the_index(suite: ExampleSuite, name: str) -> None:
    with pytest.raises(SoftalError, match="index"):
        publish(replace(suite, name=name))
    assert not suite.leaderboard.exists()


def test_the_error_names_an_unwritable_folder_and_says_what_to_do(suite: ExampleSuite) -> None:
    suite.leaderboard.write_text("a file where the folder should be")
    with pytest.raises(SoftalError, match=r"leaderboard.*cannot be read or written.*--leaderboard"):
        publish(suite)


def test_no_temporary_files_remain(suite: ExampleSuite) -> None:
    publish(suite)
    assert not [name for name in contents(suite.leaderboard) if "tmp" in name]


def test_failed_trials_are_counted_for_every_method(suite: ExampleSuite) -> None:
    power = ExampleCondition(POWER)
    suite = replace(suite, conditions=[FIRST, power], trials=4)
    for trial, status in enumerate(["failed", "timeout", "out_of_memory"]):
        write(suite.path(power, trial), lines(power, trial, [0.5], status, "why"))
    page = publish(suite)
    assert "| Acquisition function | Trials | Done | Failed | Timed out | Out of memory | Not run |" in page
    assert "| uniform | 4 | 3 | 0 | 0 | 0 | 1 |" in page
    assert "| power(bald, T=0.125) | 4 | 0 | 1 | 1 | 1 | 1 |" in page


def test_batch_sizes_with_the_same_statuses_of_a_method_share_a_line(suite: ExampleSuite) -> None:
    others = [replace(FIRST, batch_size=size) for size in (5, 20, 50)]
    suite = replace(suite, conditions=[*others, FIRST])
    write(suite.path(others[1], 0), lines(others[1], 0, [0.5], "failed", "why"))
    page = publish(suite)
    assert "\n- uniform, B = 5, 50: 3 not run each; B = 20: 1 failed, 2 not run\n" in page


def test_warnings_are_shown_with_method_trial_and_rounds(suite: ExampleSuite) -> None:
    equal = "all 10 scores of the acquired batch are equal"
    journal = lines(FIRST, 1, [0.5, 0.6, 0.7])
    rounds = [line for line in journal if line["kind"] == "round"]
    rounds[0]["warnings"] = rounds[2]["warnings"] = [equal]
    rounds[1]["warnings"] = ["a [link](http://x) in\ntwo lines"]
    assert "## Warnings" not in publish(suite)
    write(suite.path(FIRST, 1), journal)
    page = publish(suite)
    assert f"- uniform, B = 10, trial 1, rounds 0, 2: {equal}\n" in page
    assert "- uniform, B = 10, trial 1, round 1: a " in page
    assert "[link](http" not in page


def test_a_section_in_the_list_is_on_the_page(suite: ExampleSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    class Extra:
        def render(self, results: Results) -> Rendered:
            return Rendered([f"{len(results.conditions)} condition"], {"example-extra.svg": b"<svg/>"})

    monkeypatch.setattr(trials, "SECTIONS", [*trials.SECTIONS, Extra()])
    assert publish(suite).endswith("\n\n1 condition\n")
    assert (suite.leaderboard / "figures" / "example-extra.svg").read_bytes() == b"<svg/>"
