"""Learning curves: accuracy, epochs and acquired scores against the size of the training set, over trials."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from softal_bench.journal.lines import Round
from softal_bench.records.trials import ConditionResults
from softal_bench.report.stats.numbers import ABSENT
from softal_bench.report.stats.statistics import FloatArray, mean_interval
from softal_bench.report.stats.tables import METHOD, Setting, Table

RoundMeans = tuple[list[int], list[float]]  # training-set sizes, ascending, and the mean over trials at each


@dataclass(frozen=True)
class Curve:
    """Mean accuracy over trials with its 95 % bootstrap interval at each training-set size.

    Attributes:
        labels_L: the training-set sizes, ascending.
        mean_L: the mean accuracies, as fractions.
        low_L, high_L: the ends of the intervals; NaN if there are fewer than two trials.
        num_trials: the number of done trials.
    """

    labels_L: FloatArray
    mean_L: FloatArray
    low_L: FloatArray
    high_L: FloatArray
    num_trials: int


def curve(results: ConditionResults) -> Curve | None:
    """Return the accuracy curve of a condition at the training-set sizes that all its done trials measured.

    Returns:
        The curve, or None if no trial is done or the done trials have no size in common.
    """
    columns = [pd.Series(trial.accuracies, index=trial.labels, name=trial.number) for trial in results.done]
    frame = pd.concat(columns, axis=1, join="inner") if columns else pd.DataFrame()
    if frame.empty:
        return None
    accuracies_L_n = frame.to_numpy(dtype=np.float64)
    low_L, high_L = mean_interval(accuracies_L_n)
    sizes_L = frame.index.to_numpy(dtype=np.float64)
    return Curve(sizes_L, accuracies_L_n.mean(axis=1), low_L, high_L, len(results.done))


def epochs_run(round_: Round) -> float | None:
    """Return the number of epochs that a round's training ran, or None if the journal does not record it."""
    return round_.epochs


def acquired_score(round_: Round) -> float | None:
    """Return the mean score of the batch that a round acquired, or None if the journal records no scores."""
    return float(np.mean(round_.scores)) if round_.scores else None


def round_means(results: ConditionResults, value: Callable[[Round], float | None]) -> RoundMeans:
    """Return the mean over the done trials of a value of each round, by training-set size.

    Sizes at which no round has the value are left out.
    """
    found: dict[int, list[float]] = {}
    for trial in results.done:
        for round_ in trial.rounds:
            if (measured := value(round_)) is not None:
                found.setdefault(round_.labels, []).append(measured)
    sizes = sorted(found)
    return sizes, [float(np.mean(found[size])) for size in sizes]


def epochs_and_scores_table(setting: Setting, batch_size: int) -> Table | None:
    """Return the mean epochs, best epoch and acquired score of each method with this B; None if no trial records them.

    If a condition disagrees with published figures, this table helps to distinguish a training that stopped early from
    an acquisition function that scores points differently.
    """
    rows = {}
    for label in setting.labels:
        results = setting.conditions.get((label, batch_size))
        if results is None or not round_means(results, epochs_run)[0]:
            continue
        _, scores = round_means(results, acquired_score)
        rows[label] = {
            "Epochs run": _mean_over_rounds(results, epochs_run),
            "Best epoch": _mean_over_rounds(results, lambda round_: round_.best_epoch),
            "Score of the acquired batch, first round": f"{scores[0]:.3g}" if scores else ABSENT,
            "Last round": f"{scores[-1]:.3g}" if scores else ABSENT,
        }
    if not rows:
        return None
    cells = pd.DataFrame.from_dict(rows, orient="index", dtype=object).rename_axis(METHOD)
    return Table(f"Epochs and acquired scores, B = {batch_size}", cells)


def _mean_over_rounds(results: ConditionResults, value: Callable[[Round], float | None]) -> str:
    rounds = [round_ for trial in results.done for round_ in trial.rounds]
    measured = [found for round_ in rounds if (found := value(round_)) is not None]
    return f"{np.mean(measured):.2f}" if measured else ABSENT
