"""The cells of a cost suite: listing them, checking that their data suffice, and measuring them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from softal_bench.cost.cell import Cell, Outcome, measure_cell
from softal_bench.cost.log_probs import LogProbs, num_points, why_infeasible
from softal_bench.errors import SoftalError, SuiteError
from softal_bench.journal.lines import OVER_A_LIMIT, Cost, Measurement, Status
from softal_bench.run.jobs import NONE_PUBLISHED, Computation, Job, LocalWork, Observer, Preflight, Published
from softal_bench.run.runner import Runner
from softal_bench.seeding import Seeds
from softal_bench.suite import CostCondition, CostSuite, SyntheticSource
from softal_bench.trial.attribution import Ended
from softal_bench.trial.data import load_if_there, require_accepted

CellJob = Job[CostCondition]


def cell_jobs(suite: CostSuite, runs: Path, published: Mapping[str, Published] = NONE_PUBLISHED) -> list[CellJob]:
    """Return the cells of a suite, grouped by pool and then by method, from the smallest B to the largest.

    The arguments are those of `trial_jobs`.
    """
    pools = {pool: place for place, pool in enumerate(dict.fromkeys(map(_pool, suite.conditions)))}
    sweeps = {sweep: place for place, sweep in enumerate(dict.fromkeys(each.sweep() for each in suite.conditions))}
    order = sorted(suite.conditions, key=lambda each: (pools[_pool(each)], sweeps[each.sweep()], each.batch_size))
    return [
        Job(
            condition,
            0,
            runs / suite.name / f"{key}.jsonl",
            1,
            f"{condition.acquisition.label}, B={condition.batch_size}, N={condition.pool_size}, "
            f"K={condition.posterior_samples}, {condition.source.label}",
            published.get(key),
        )
        for condition in order
        if suite.asks_for(key := condition.key(0))
    ]


def preflight_cells(suite: CostSuite, data_root: Path, fetch: bool) -> Preflight:
    """Check every cell against this machine and the data of its source.

    The arguments are those of `softal_bench.run.trials.preflight`.

    Raises:
        SuiteError: if a source's model rejects its data.
        DataError: if the data are not as expected, or, with `fetch`, cannot be downloaded.
    """
    notes: list[str] = []
    reasons: list[tuple[CostCondition, str | None]] = []
    by_source: dict[str, list[CostCondition]] = {}
    for condition in suite.conditions:
        by_source.setdefault(condition.source.label, []).append(condition)
    for conditions in by_source.values():
        source = conditions[0].source
        if isinstance(source, SyntheticSource):
            reasons += [(each, why_infeasible(each, each.pool_size, source.num_classes)) for each in conditions]
            continue
        generator = Seeds(conditions[0].seed, 0).generator("dataset")
        splits = load_if_there(source.dataset, data_root, generator, fetch, notes)
        if splits is None:
            continue
        try:
            require_accepted(source.model, splits)
        except SoftalError as error:
            raise SuiteError(f"{suite.path}: {error}") from error
        points = num_points(source, len(splits.train))
        reasons += [(each, why_infeasible(each, points, splits.train.num_classes)) for each in conditions]
    return Preflight(tuple(notes), tuple(_by_pool(reasons)))


def _by_pool(reasons: Sequence[tuple[CostCondition, str | None]]) -> list[str]:
    """Return a sentence about each pool that cannot be made; all its cells will fail for the same reason."""
    cells: dict[tuple[str, int, int, int], list[str]] = {}
    for condition, why in reasons:
        if why is not None:
            cells.setdefault(_pool(condition), []).append(why)
    return [
        f"{len(whys)} {'cells' if len(whys) > 1 else 'cell'} with N={size}, K={num_samples}, {label}: {whys[0]}"
        for (label, _, num_samples, size), whys in cells.items()
    ]


def run_cells(
    suite: CostSuite,
    runs: Path,
    data_root: Path,
    device: torch.device,
    observer: Observer,
    published: Mapping[str, Published] = NONE_PUBLISHED,
) -> dict[Status, int]:
    """Measure the unfinished cells of a suite and return the number of cells with each status. See `Runner.run`."""
    work = CellWork(data_root, device, observer)
    return Runner(suite.name, cell_jobs(suite, runs, published), work, observer).run()


class CellWork(LocalWork):
    """Measures each cell in a process of its own and skips the rest of a sweep over B that has exceeded a limit."""

    def __init__(self, data_root: Path, device: torch.device, observer: Observer) -> None:
        super().__init__(device)
        self._log_probs = LogProbs(data_root, device, self._waiting)
        self._observer = observer
        self._job: CellJob | None = None
        self._over: dict[str, str] = {}

    def skips(self, job: CellJob) -> str | None:
        return self._over.get(job.condition.sweep())

    def take_up(self, job: CellJob, done: Sequence[Measurement]) -> Computation:
        self._job = job
        return _CellAttempt(job.condition, done, self._log_probs, self._device, self._waiting)

    def ended(self, job: CellJob, status: Status) -> None:
        if status in OVER_A_LIMIT:
            self._over.setdefault(job.condition.sweep(), f"{status} at B = {job.condition.batch_size}")

    def _waiting(self) -> None:
        assert self._job is not None
        self._observer.waiting(self._job, "another cost is being measured on this machine")


@dataclass(frozen=True)
class _CellAttempt:
    condition: CostCondition
    done: Sequence[Measurement]
    log_probs: LogProbs
    device: torch.device
    on_wait: Callable[[], None]

    @property
    def start(self) -> list[int]:
        return []

    @property
    def provenance(self) -> dict[str, Any] | None:
        return None

    def measurements(self) -> Iterator[Measurement]:
        for line in self.done:  # an earlier attempt measured the cell but was killed before it wrote the last line
            assert isinstance(line, Cost)
            if line.status != Status.DONE:
                raise Ended(line.status, line.error or line.status)
            return
        condition = self.condition
        pool = self.log_probs.pool(condition)
        outcome = measure_cell(
            Cell(
                condition.acquisition.name,
                condition.acquisition.parameters,
                pool.path,
                condition.batch_size,
                str(self.device),
                condition.threads,
                Seeds(condition.seed, 0).seed("acquisition"),
                condition.measurement,
                condition.limits,
            ),
            self.on_wait,
        )
        yield _line(condition, pool.num_classes, pool.predict_seconds, outcome)
        if outcome.status != Status.DONE:
            raise Ended(outcome.status, outcome.error or outcome.status, outcome.details)


def _line(condition: CostCondition, num_classes: int, predict_seconds: list[float], outcome: Outcome) -> Cost:
    return Cost(
        batch_size=condition.batch_size,
        pool_size=condition.pool_size,
        posterior_samples=condition.posterior_samples,
        num_classes=num_classes,
        source=condition.source.label,
        status=outcome.status,
        seconds=outcome.seconds,
        peak_bytes=outcome.peak_bytes,
        acquired=outcome.acquired,
        predict_seconds=predict_seconds,
        error=outcome.error,
    )


def _pool(condition: CostCondition) -> tuple[str, int, int, int]:
    return condition.source.label, condition.threads, condition.posterior_samples, condition.pool_size
