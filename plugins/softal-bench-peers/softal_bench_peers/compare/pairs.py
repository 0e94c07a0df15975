"""Two ways of doing the same work, timed in turn."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

from softal_bench.machine.stopwatch import synchronise

Answer = TypeVar("Answer")
OurAnswer = TypeVar("OurAnswer")


@dataclass(frozen=True)
class Pairs(Generic[Answer, OurAnswer]):
    """Seconds and answers of each side; sample i of one was taken right beside sample i of the other."""

    peer_seconds: list[float]
    our_seconds: list[float]
    peer_answers: list[Answer]
    our_answers: list[OurAnswer]


def time_pairs(
    theirs: Callable[[], Answer],
    ours: Callable[[], OurAnswer],
    repetitions: int,
    device: torch.device,
    warm_up: bool = True,
) -> Pairs[Answer, OurAnswer]:
    """Time both in turn, `repetitions` times each; who goes first alternates.

    Args:
        theirs, ours: the two ways; what they return is kept.
        repetitions: samples a side.
        device: synchronised on both edges of each sample.
        warm_up: run each once untimed before; leave it out only where the caller has warmed both up on less.
    """
    if warm_up:
        theirs()
        ours()
    pairs: Pairs[Answer, OurAnswer] = Pairs([], [], [], [])
    with _little_garbage_to_look_at():
        for repetition in range(repetitions):
            for peer_now in (True, False) if repetition % 2 == 0 else (False, True):
                if peer_now:
                    seconds, answer = timed(theirs, device)
                    pairs.peer_seconds.append(seconds)
                    pairs.peer_answers.append(answer)
                else:
                    seconds, our_answer = timed(ours, device)
                    pairs.our_seconds.append(seconds)
                    pairs.our_answers.append(our_answer)
    return pairs


def timed(work: Callable[[], Answer], device: torch.device) -> tuple[float, Answer]:
    """Wall-clock seconds of a call, and what it returns."""
    synchronise(device)
    start = time.perf_counter()
    answer = work()
    synchronise(device)
    return time.perf_counter() - start, answer


@contextmanager
def _little_garbage_to_look_at() -> Iterator[None]:
    """Exempt what is there from garbage collection, for both sides.

    batchbald_redux collects garbage at every chunk, so it pays for all objects that the process has made by importing
    libraries: at N = 100 000 that is hundreds of times its own work on BALD scores.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
