"""Before a command begins: find published records, and journals of code that differs from the installed code."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import click
import torch

from softal_bench.cli.kinds import Cost, Kind
from softal_bench.cli.options import SuiteRequest, with_short_paths
from softal_bench.errors import DeviceError
from softal_bench.journal.file import Journal
from softal_bench.journal.lines import PluginChange, Status
from softal_bench.machine.device import resolve_device
from softal_bench.records.status import Standing
from softal_bench.registry import registries
from softal_bench.run.jobs import Job, Published
from softal_bench.run.recompute import WHY_STALE, Survey, begin_again, restart, survey
from softal_bench.suite import AnyCondition


class HasRecord(Protocol):
    """A trial or a cell with its journal, if it has one."""

    @property
    def condition(self) -> AnyCondition:
        """What decides its numbers."""

    @property
    def status(self) -> Status:
        """As `softal-bench status` shows it."""

    @property
    def record(self) -> Journal | None:
        """Its journal."""


@dataclass(frozen=True)
class Found:
    """What there is of a suite before a run.

    Attributes:
        kind: the suite, counting the published records.
        nothing_left: whether each of its jobs is finished.
        recorded: what the journals say.
        survey: which of them differ from what is installed.
    """

    kind: Kind
    nothing_left: bool
    recorded: Sequence[HasRecord]
    survey: Survey


def records_of(request: SuiteRequest, kind: Kind) -> Path:
    """The folder of the published records of a suite."""
    return request.pages / "records" / kind.suite.name


def compared(request: SuiteRequest, kind: Kind, *, write: bool) -> Survey:
    """Compare the journals of a suite with what is installed; see `softal_bench.run.recompute.survey`."""
    found = survey(kind.jobs(request.runs), records_of(request, kind), write=write)
    for why in found.not_written.values():
        click.echo(f"not marked as stale, so the page still counts it: {why}", err=True)
    return found


def look(request: SuiteRequest, kind: Kind, device: torch.device, *, write: bool) -> Found:
    """Find what is finished, and which published records count on this device."""
    differing = compared(request, kind, write=write)
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


def with_elsewhere(request: SuiteRequest, kind: Kind, found: Sequence[Standing]) -> list[Standing]:
    """Give published records that do not count on the suite's device the status "elsewhere", except stale ones."""
    if not isinstance(kind, Cost):
        return list(found)
    try:
        device = resolve_device(kind.suite.device)
    except DeviceError:  # nothing is measured on it here
        device = None
    records = records_of(request, kind)

    def known(one: Standing) -> Standing:
        record = one.record
        if record is None or record.end is None or record.path.parent != records or one.status == Status.STALE:
            return one
        counts = device is not None and kind.counts_on(device, record)
        return one if counts else replace(one, status=Status.ELSEWHERE)

    return list(map(known, found))


def say_what_is_published(request: SuiteRequest, found: Found) -> None:
    """Say how many jobs are not run since they are published."""
    kind = found.kind
    jobs = kind.jobs(request.runs)
    count = sum(job.published is not None for job in jobs)
    folder = with_short_paths(request.pages / "records")
    if count and count == len(jobs):
        which = "the" if count == 1 else f"all {count}"
        click.echo(f"{which} {_are(count, kind)} published under {folder}; use --fresh to compute again")
    elif count:
        verb = "is" if count == 1 else "are"
        click.echo(f"{count} of {len(jobs)} {kind.plural} {verb} published under {folder} and not run again")


def warn_of_stale(kind: Kind, recorded: Iterable[HasRecord], differing: Survey) -> None:
    """Name what was computed with code that differs from the installed code, what differs, and what to do."""
    stale = [one for one in recorded if one.status == Status.STALE or _path(one) in differing.changes]
    if not stale:
        return
    by_change: dict[PluginChange, dict[str, int]] = {}
    for one in stale:
        for change in _changes(one, differing):
            methods = by_change.setdefault(change, {})
            methods[one.condition.acquisition.label] = methods.get(one.condition.acquisition.label, 0) + 1
    lines = [f"Warning: {len(stale)} {_are(len(stale), kind)} stale: {WHY_STALE}. Stale ones do not count as done."]
    for change, methods in by_change.items():
        counts = ", ".join(f"{label} ({count})" for label, count in methods.items())
        noun = registries[change.kind].noun if change.kind in registries else change.kind
        lines.append(
            f"  {noun} {change.name}: source {change.recorded} when they were computed, {change.installed} installed; "
            f"{kind.plural} of {counts}"
        )
    lines += [
        f"  To compute them again: the same command with --fresh{_only(kind, stale)}; the old journals are kept.",
        "  If the new code gives other results, raise the plugin's `revision` too, so that nobody mixes the two.",
        "  If it gives the same results, list both sources as equivalent (docs/plugins.md) or undo the edit.",
    ]
    click.echo("\n".join(lines), err=True)


def begin_afresh(kind: Kind, runs: Path) -> None:
    """Set the journals of a suite's jobs aside, so that all of them are computed again."""
    for job in begin_again(kind.jobs(runs)):
        click.echo(f"  {job.name}: locked by another runner; not restarted", err=True)


def restart_changed(jobs: Sequence[Job[Any]], differing: Survey) -> None:
    """Restart what is unfinished and was begun with code that differs from the installed code."""
    for job, kept in restart([job for job in jobs if job.published is None]):
        changes = differing.to_restart.get(job.key, [])
        names = f" of {', '.join(change.name for change in changes)}" if changes else ""
        click.echo(
            f"  {job.name}: the source{names} has changed since it was begun, so it begins again; "
            f"the journal so far is kept as {kept}",
            err=True,
        )


def _are(count: int, kind: Kind) -> str:
    return f"{kind.plural.removesuffix('s')} is" if count == 1 else f"{kind.plural} are"


def _path(of: HasRecord) -> Path | None:
    return of.record.path if of.record else None


def _changes(of: HasRecord, differing: Survey) -> list[PluginChange]:
    """As just compared, else as the journal's stale line says."""
    path = _path(of)
    if path is not None and path in differing.changes:
        return differing.changes[path]
    line = of.record.stale if of.record else None
    return line.plugins if line else []


def _only(kind: Kind, stale: Sequence[HasRecord]) -> str:
    """The option that chooses the methods that are stale, where they are not all methods of the suite."""
    labels = list(dict.fromkeys(one.condition.acquisition.label for one in stale))
    if len(labels) == len({condition.acquisition.label for condition in kind.suite.conditions}):
        return ""
    return f" --only 'acquisition={json.dumps(labels, ensure_ascii=False)}'"
