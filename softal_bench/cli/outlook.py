"""What a dry run says of time and memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from softal_bench.cli.executors import at_a_time, device_here
from softal_bench.cli.tally import duration
from softal_bench.run.executors.contract import Executor
from softal_bench.run.forecast import SAMPLE_SECONDS, Forecast, forecast, seconds_left
from softal_bench.run.trials import TrialJob
from softal_bench.suite import Condition, CostSuite, Suite


@dataclass(frozen=True)
class Outlook:
    """What a suite will take.

    Attributes:
        sentences: about the whole suite.
        columns: of the table of conditions, with a row of cells for each condition; or none.
    """

    sentences: list[str]
    columns: Sequence[str] = ()
    rows: list[list[str]] = field(default_factory=list)


def of_trials(
    suite: Suite, jobs: Sequence[TrialJob], data_root: Path, executor: Executor, fresh: bool = False
) -> Outlook:
    """Time and memory of a trial of each condition, and of the suite; with `fresh` if nothing counts as done."""
    forecasts = forecast(jobs, data_root, device_here(executor))
    of_each = [forecasts[condition.key(0)] for condition in suite.conditions]
    rows = [[_time(each), _memory(each)] for each in of_each]
    sentences = [_of_all(suite, jobs, forecasts, executor, fresh), _largest(suite.conditions, of_each)]
    return Outlook(sentences, _COLUMNS, rows)


def of_cells(suite: CostSuite) -> Outlook:
    """The time that the cells of a cost suite may take."""
    seconds = sum(condition.limits.cell_seconds for condition in suite.conditions)
    return Outlook([f"at most {duration(seconds)}, as limits.cell_seconds says, and what loading and training take"])


_COLUMNS = ("a trial, about", "memory, about")


def _of_all(
    suite: Suite, jobs: Sequence[TrialJob], forecasts: dict[str, Forecast], executor: Executor, fresh: bool
) -> str:
    whole = suite.trials * sum(each.seconds or 0.0 for each in forecasts.values())
    left = whole if fresh else seconds_left(jobs, forecasts)
    unknown = sum(each.seconds is None for each in forecasts.values())
    text = f"{'more than' if unknown else 'about'} {duration(whole)} one trial after another, {duration(left)} left"
    slots = at_a_time(executor)
    if slots is not None and slots > 1:
        text += f", {duration(left / slots)} with {slots} at a time"
    sampled = sum(not each.rounds for each in forecasts.values())
    text += f"; {len(forecasts) - sampled} conditions from their journals, {sampled} from a short sample here"
    text += ", with training at its longest" if sampled else ""
    if unknown:
        text += f", of which {unknown} are not counted: they failed, or did not fit into its {SAMPLE_SECONDS:g} s"
    return text


def _largest(conditions: Sequence[Condition], forecasts: Sequence[Forecast]) -> str:
    known = [(each.peak_bytes, place) for place, each in enumerate(forecasts) if each.peak_bytes is not None]
    if not known:
        return "memory: not known"
    _, place = max(known)
    condition = conditions[place]
    return f"most memory: {condition.acquisition.label}, B={condition.batch_size}: about {_memory(forecasts[place])}"


def _time(of: Forecast) -> str:
    return "not known" if of.seconds is None else duration(of.seconds)


def _memory(of: Forecast) -> str:
    return "not known" if of.peak_bytes is None else f"{of.peak_bytes / 2**30:.2g} GiB"
