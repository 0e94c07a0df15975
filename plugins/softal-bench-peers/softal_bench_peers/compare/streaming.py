"""A softmax batch from a million points: peak memory, and seconds beside those of predicting such a pool."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from softal_plugins.acquisitions.softmax import Softmax

from softal_bench.bayes.information import bald
from softal_bench.bayes.mc_dropout import FittedMCDropout
from softal_bench.bayes.sampling import sample_without_replacement
from softal_bench.contracts import AcquiredBatch
from softal_bench.machine.stopwatch import Stopwatch
from softal_bench.report.stats.numbers import size
from softal_bench_peers.compare.records import Comparison

from .fresh import in_fresh_process, with_peak_growth
from .machine import environment_of
from .pairs import timed
from .settings import Settings
from .synthetic import SyntheticPool
from .trained import chunks, task, trained

_K, _C, _B = 20, 10, 1000
_METHOD = (
    "A softmax batch of 1000 (T = 0.125) by this suite alone, in a process of its own each time, from a synthetic "
    "pool that makes its log-probs (float32) 4096 points at a time and stores none. Seconds are those of choosing: "
    "scores and draw, without making the pool. Growth of memory is the process's peak over what it had before. Same "
    "answer: the batch is distinct points, and their scores are those of the same points read again. The share is of "
    "the seconds that a LeNet takes to predict as many points at K = 20, scaled from a slice predicted in the same "
    "run; the draw alone is the choice when the scores are known."
)


@dataclass(frozen=True)
class Choice:
    """What a process measured."""

    select_seconds: float
    draw_seconds: float
    growth_bytes: int
    sound: bool


def compare(settings: Settings) -> Iterator[Comparison]:
    """The one row."""
    points = settings.size(1_000_000, 20_000)
    choices = [in_fresh_process(choose, settings.threads, points, settings.device) for _ in range(settings.repetitions)]
    seconds = [choice.select_seconds for choice in choices]
    predicting = points * _seconds_to_predict(settings)
    draw = statistics.median(choice.draw_seconds for choice in choices)
    yield Comparison(
        work="streaming",
        setting=f"N = {size(points)}, K = {_K}, C = {_C}, B = {_B}",
        peer=None,
        peer_seconds=[],
        our_seconds=seconds,
        same_answer=all(choice.sound for choice in choices),
        method=_METHOD,
        details={
            "Largest growth of peak memory, MB": max(choice.growth_bytes for choice in choices) / 1e6,
            "Seconds to predict as many": predicting,
            "Choosing over predicting, %": 100 * statistics.median(seconds) / predicting,
            "Draw alone over predicting, %": 100 * draw / predicting,
        },
        environment=environment_of(settings),
    )


def choose(points: int, device: torch.device) -> Choice:
    """Draw one softmax batch from a synthetic pool of so many points, and look at it."""
    _select(2 * _B, device)  # warm-up: what libraries take for themselves at first use is no growth
    (stopwatch, pool, batch), growth = with_peak_growth(lambda: _select(points, device), device)
    again_B = bald(pool.log_probs_at(batch.positions))
    sound = len(set(batch.positions.tolist())) == _B and bool((batch.scores - again_B).abs().max() < 1e-9)
    scores_N = torch.randn(points, dtype=torch.float64, device=device)
    draw_seconds, _ = timed(lambda: sample_without_replacement(scores_N, _B, torch.Generator()), device)
    return Choice(stopwatch.seconds["select"], draw_seconds, growth, sound)


def _select(points: int, device: torch.device) -> tuple[Stopwatch, SyntheticPool, AcquiredBatch]:
    stopwatch = Stopwatch(device)
    pool = SyntheticPool((points, _K, _C), device, stopwatch)
    with stopwatch.phase("select"):
        return stopwatch, pool, Softmax().select(pool, _B, torch.Generator().manual_seed(0))


def _seconds_to_predict(settings: Settings) -> float:
    """Seconds an image of our own prediction at K = 20, the median of the repetitions."""
    inputs = task(settings).pool.inputs[: settings.size(2048, 64)]
    posterior = FittedMCDropout(trained(settings).network).posterior(_K, torch.Generator())
    samples = [
        timed(lambda: [posterior.log_probs(inputs_n) for inputs_n in chunks(inputs)], settings.device)[0]
        for _ in range(settings.repetitions + 1)
    ]
    return statistics.median(samples[1:]) / len(inputs)
