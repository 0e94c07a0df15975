"""Several jobs at a time, each followed by a thread of this process; where they are computed is not said here."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

J = TypeVar("J")


def in_slots(slots: int, jobs: Sequence[J], serve: Callable[[J], None], stop: Callable[[], None]) -> None:
    """Call `serve` for each job in turn, for as many as `slots` at a time. One slot is this thread itself.

    Args:
        slots: how many at a time.
        jobs: in the order in which they are begun.
        serve: follows a job to its end.
        stop: has every `serve` that goes on raise soon.

    Raises:
        BaseException: the first that a `serve` raises, or that reaches this thread (Ctrl-C), once all have ended.
    """
    if slots == 1:
        for job in jobs:
            serve(job)
        return
    left = deque(jobs)

    def slot() -> None:
        while True:
            try:
                job = left.popleft()
            except IndexError:
                return
            serve(job)

    with ThreadPoolExecutor(slots, thread_name_prefix="slot") as threads:
        try:
            for ended in as_completed([threads.submit(slot) for _ in range(slots)]):
                ended.result()
        except BaseException:
            left.clear()
            stop()
            raise
