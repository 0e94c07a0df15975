"""Which jobs a run computes: published records count, stale journals are reported, and some are recomputed."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from softal_bench.cli.kinds import Kind
from softal_bench.cli.options import SuiteRequest, say, with_short_paths
from softal_bench.errors import DeviceError, SuiteError
from softal_bench.journal.file import Journal
from softal_bench.journal.lines import PluginChange, Status
from softal_bench.machine.device import resolve_device
from softal_bench.records.status import JobStatus
from softal_bench.registry import registries
from softal_bench.run.jobs import Job, Published
from softal_bench.run.recompute import WHY_STALE, Survey, begin_again, ended_as, reopen, restart, survey
from softal_bench.suite import AnyCondition


class HasRecord(Protocol):
    """A trial or a cell, and its journal if there is one."""

    @property
    def condition(self) -> AnyCondition:
        """The condition of the job."""

    @property
    def status(self) -> Status:
        """The status that `softal-bench status` shows."""

    @property
    def record(self) -> Journal | None:
        """The journal."""


@dataclass(frozen=True)
class Found:
    """The results of a suite before a run.

    Attributes:
        kind: the suite, with the published records that count.
        nothing_left: whether every job is finished.
        recorded: the jobs with their journals.
        survey: which journals differ from the installed plugins.
    """

    kind: Kind
    nothing_left: bool
    recorded: Sequence[HasRecord]
    survey: Survey


def records_of(request: SuiteRequest, kind: Kind) -> Path:
    """Return the folder of the published records of a suite."""
    return request.pages / "records" / kind.suite.name


def compare_with_installed(request: SuiteRequest, kind: Kind, *, write: bool) -> Survey:
    """Compare the journals of a suite with the installed plugins; report stale journals that could not be marked."""
    found = survey(kind.jobs(request.runs), records_of(request, kind), write=write)
    for why in found.not_written.values():
        say(f"not marked as stale, so the page still counts it: {why}", err=True)
    return found


def find_results(request: SuiteRequest, kind: Kind, device: torch.device, *, write: bool) -> Found:
    """Find the finished jobs, and the published records that count on this device."""
    differing = compare_with_installed(request, kind, write=write)
    records = records_of(request, kind)
    published: dict[str, Published] = {}
    finished: set[str] = set()
    recorded = kind.recorded(request.runs, request.pages)
    for one in recorded:
        record = one.record
        if record is None or record.end is None:
            continue
        if record.path.parent == records:
            if not kind.counts_on(device, record):
                continue
            is_stale = record.path in differing.changes or one.status == Status.STALE
            published[one.key] = (
                Published(Status.STALE, WHY_STALE, record)
                if is_stale
                else Published(one.status, one.error or None, record)
            )
        finished.add(one.key)
    nothing_left = all(job.key in finished for job in kind.jobs(request.runs))
    return Found(kind.counting(published), nothing_left, recorded, differing)


def mark_elsewhere(request: SuiteRequest, kind: Kind, found: Sequence[JobStatus]) -> list[JobStatus]:
    """Give published records that do not count on the suite's device the status "elsewhere", except stale records."""
    try:
        device = resolve_device(kind.suite.device)
    except DeviceError:  # this machine does not have it
        device = None
    records = records_of(request, kind)

    def marked(one: JobStatus) -> JobStatus:
        record = one.record
        if record is None or record.end is None or record.path.parent != records or one.status == Status.STALE:
            return one
        return one if kind.counts_on(device, record) else replace(one, status=Status.ELSEWHERE)

    return list(map(marked, found))


def report_published(request: SuiteRequest, found: Found) -> None:
    """Say how many jobs are not run because they are published."""
    kind = found.kind
    jobs = kind.jobs(request.runs)
    count = sum(job.published is not None for job in jobs)
    folder = with_short_paths(request.pages / "records")
    if count and count == len(jobs):
        which = "the" if count == 1 else f"all {count}"
        say(f"{which} {_are(count, kind)} published under {folder}; use --fresh to recompute")
    elif count:
        verb = "is" if count == 1 else "are"
        say(f"{count} of {len(jobs)} {kind.plural} {verb} published under {folder} and will not be run again")


def warn_of_stale(kind: Kind, recorded: Iterable[HasRecord], differing: Survey) -> None:
    """Report the stale jobs, the plugins that changed, and what to do about it."""
    stale = [one for one in recorded if one.status == Status.STALE or _path(one) in differing.changes]
    if not stale:
        return
    by_change: dict[PluginChange, dict[str, int]] = {}
    for one in stale:
        for change in _changes(one, differing):
            methods = by_change.setdefault(change, {})
            methods[one.condition.acquisition.label] = methods.get(one.condition.acquisition.label, 0) + 1
    lines = [
        f"Warning: {len(stale)} {_are(len(stale), kind)} stale: {WHY_STALE}. Stale {kind.plural} do not count as done."
    ]
    for change, methods in by_change.items():
        counts = ", ".join(f"{label} ({count})" for label, count in methods.items())
        noun = registries[change.kind].noun if change.kind in registries else change.kind
        lines.append(
            f"  {noun} {change.name}: computed with source {change.recorded}, but source {change.installed} is "
            f"installed; {kind.plural} of {counts}"
        )
    labels = list(dict.fromkeys(one.condition.acquisition.label for one in stale))
    only = ""
    if len(labels) < len({condition.acquisition.label for condition in kind.suite.conditions}):
        only = f" --only 'acquisition={json.dumps(labels, ensure_ascii=False)}'"
    lines += [
        f"  To recompute them, run the suite with --fresh{only}; the old journals are kept.",
        "  If the new code gives different results, also increase the plugin's `revision`, so that they are not mixed.",
        "  If it gives the same results, list both sources as equivalent (docs/plugins.md) or undo the edit.",
    ]
    say("\n".join(lines), err=True)


def set_all_aside(kind: Kind, runs: Path) -> None:
    """Set aside the journals of all jobs of a suite, so that all jobs are recomputed."""
    for job in begin_again(kind.jobs(runs)):
        say(f"  {job.name}: locked by another runner; not restarted", err=True)


def restart_changed(jobs: Sequence[Job[Any]], differing: Survey) -> None:
    """Restart unfinished jobs that were started with code that differs from the installed code."""
    for job, kept in restart([job for job in jobs if job.published is None]):
        changes = differing.to_restart.get(job.key, [])
        names = f" of {', '.join(change.name for change in changes)}" if changes else ""
        say(
            f"  {job.name}: the source{names} has changed since it started, so it restarts; its old journal is kept as "
            f"{kept}",
            err=True,
        )


def jobs_to_retry(jobs: Sequence[Job[Any]], statuses: Sequence[Status]) -> list[Job[Any]]:
    """Return the jobs that ended with one of these statuses.

    Raises:
        SuiteError: if there are none.
    """
    found = ended_as(jobs, statuses)
    if not found:
        words = " or ".join(dict.fromkeys(statuses))
        raise SuiteError(
            f"--retry {' --retry '.join(statuses)}: none of {len(jobs)} journals ends with status {words}; "
            "`softal-bench status` shows the status of each, and a run without --retry continues unfinished jobs"
        )
    return found


def reopen_jobs(jobs: Sequence[Job[Any]], statuses: Sequence[Status]) -> frozenset[str]:
    """Reopen the journals of jobs to retry; return the keys of the jobs that no other runner has locked."""
    mine = frozenset(job.key for job in reopen(jobs, statuses))
    for job in jobs:
        if job.key not in mine:
            say(f"  {job.name}: locked by another runner; not retried", err=True)
    return mine


def _are(count: int, kind: Kind) -> str:
    return f"{kind.plural.removesuffix('s')} is" if count == 1 else f"{kind.plural} are"


def _path(of: HasRecord) -> Path | None:
    return of.record.path if of.record else None


def _changes(of: HasRecord, differing: Survey) -> list[PluginChange]:
    """The changes that were just found; otherwise, those in the journal's stale line."""
    path = _path(of)
    if path is not None and path in differing.changes:
        return differing.changes[path]
    line = of.record.stale if of.record else None
    return line.plugins if line else []
