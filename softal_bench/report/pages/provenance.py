"""Where the numbers of a page come from: devices, versions, dates, and the condition of each method."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic

import pandas as pd

from softal_bench.journal.lines import Status
from softal_bench.records.lookup import Recorded, devices
from softal_bench.registry.parameters import parameters_text, value_text
from softal_bench.report.pages.markdown import counted, escape_block, table
from softal_bench.report.pages.sections import Jobs, JobT, Rendered, SuiteResultsT
from softal_bench.report.stats.numbers import ABSENT
from softal_bench.report.stats.tables import IN_THE_TABLES, METHOD, all_labels
from softal_bench.suite import AnyCondition

_SAMPLES = "posterior_samples"


@dataclass(frozen=True)
class Provenance(Generic[SuiteResultsT, JobT]):
    """Devices, versions and dates of the jobs that were run, and the settings of each method and of all methods."""

    jobs: Jobs[SuiteResultsT, JobT]

    def render(self, results: SuiteResultsT) -> Rendered:
        noun, conditions = self.jobs.noun, results.suite.conditions
        shown = {*results.suite.varied, *self.jobs.shown_keys}
        with_journal = [job for job in self.jobs.of(results) if job.record]
        known = _facts([job for job in with_journal if job.status != Status.STALE], noun)
        without = f"Every {noun} that was run is stale." if with_journal else f"No {noun} was run."
        shared = [f"- {escape_block(f'{key}: {value}')}" for key, value in _shared_settings(conditions, shown).items()]
        return Rendered(
            [
                "## Provenance",
                "\n".join(f"- {escape_block(f'{name}: {value}')}" for name, value in known) or without,
                "The methods, and the settings in which they differ (K: posterior samples):",
                table(_methods_table(conditions, shown), align="left"),
                "Settings that all methods share:",
                "\n".join(shared) or "None.",
            ]
        )


def _facts(recorded: Sequence[Recorded], noun: str) -> list[tuple[str, str]]:
    """Return what the journals of jobs say about the runs, as names and values. Nothing is read from this machine."""
    known = {
        "Device": "; ".join(devices(recorded)),
        f"CPU threads of a {noun}": _values((one.of_environment("threads") for one in recorded), noun),
        "Platform": _values((one.of_environment("platform") for one in recorded), noun),
        "Python": _values((one.of_environment("python") for one in recorded), noun),
        "Packages": _packages(recorded, noun),
        "Dates": _dates(recorded),
    }
    return [(name, value) for name, value in known.items() if value]


def _values(values: Iterable[object], noun: str) -> str:
    """Return the distinct values; if there are several, with their counts: `3.11.4 (1 trial), 3.12.0 (8 trials)`."""
    counts = Counter(str(value) for value in values if value)
    if len(counts) < 2:
        return next(iter(counts), "")
    return ", ".join(f"{value} ({counted(count, noun)})" for value, count in sorted(counts.items()))


def _packages(recorded: Sequence[Recorded], noun: str) -> str:
    versions = [one.versions for one in recorded]
    packages = sorted({package for one in versions for package in one})
    return ", ".join(f"{package} {_values((one.get(package) for one in versions), noun)}" for package in packages)


def _dates(recorded: Sequence[Recorded]) -> str:
    dates = sorted(time.date().isoformat() for one in recorded for time in one.times)
    if not dates:
        return ""
    return f"{dates[0]} (UTC)" if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]} (UTC)"


def _methods_table(conditions: Sequence[AnyCondition], shown: set[str]) -> pd.DataFrame:
    """Return each method's name, parameters, K, and all other settings in which methods differ.

    A value that depends on B is followed by its batch sizes.

    Args:
        conditions: all conditions of the suite.
        shown: the keys that the tables and headings of the page show, which are left out.
    """
    keys = _differing(conditions, shown)
    labels = all_labels(conditions)
    rows = []
    for label in labels:
        own = [condition for condition in conditions if condition.acquisition.label == label]
        acquisition = own[0].describe()["acquisition"]
        flat = [(condition.batch_size, _flat(condition, set())) for condition in own]
        values = [_by_batch_size([(size, found.get(key, ABSENT)) for size, found in flat]) for key in keys]
        rows.append([str(acquisition["name"]), parameters_text(acquisition["parameters"]) or ABSENT, *values])
    columns = ["Name", "Parameters", *("K" if key == _SAMPLES else key for key in keys)]
    return pd.DataFrame(rows, index=pd.Index(labels, name=METHOD), columns=columns, dtype=object)


def _shared_settings(conditions: Sequence[AnyCondition], shown: set[str]) -> dict[str, str]:
    """Return the settings that all conditions share and the page does not show elsewhere, sorted: key -> value."""
    flat = [_flat(condition, shown) for condition in conditions]
    if not flat:
        return {}
    differing = _differing(conditions, shown)
    return {key: value for key, value in sorted(flat[0].items()) if key not in differing}


def _differing(conditions: Sequence[AnyCondition], shown: set[str]) -> list[str]:
    """Return K and the other keys in which conditions differ, without those that the page shows elsewhere."""
    flat = [_flat(condition, shown) for condition in conditions]
    keys = sorted({key for values in flat for key in values})
    differing = [key for key in keys if key != _SAMPLES and len({values.get(key) for values in flat}) > 1]
    return [key for key in (_SAMPLES, *differing) if key not in shown]


def _flat(condition: AnyCondition, shown: set[str]) -> dict[str, str]:
    described = condition.describe()
    found = leaves({key: described[key] for key in described if key not in {*IN_THE_TABLES, *shown}})
    return {key: value for key, value in found if key not in shown}


def leaves(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted key and the text of each value in nested mappings. A plugin is one value."""
    for key, inner in value.items():
        if isinstance(inner, dict) and {"name", "parameters"} <= inner.keys():
            yield f"{prefix}{key}", value_text({inner["name"]: inner["parameters"]})
        elif isinstance(inner, dict) and inner:
            yield from leaves(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value_text(inner)


def _by_batch_size(values: list[tuple[int, str]]) -> str:
    """Return the distinct values, each with its batch sizes if these determine the value."""
    grouped: dict[str, list[int]] = {}
    for size, value in sorted(values):
        if size not in grouped.setdefault(value, []):
            grouped[value].append(size)
    if sum(map(len, grouped.values())) > len({size for size, _ in values}):
        return "; ".join(grouped)
    if len(grouped) == 1:
        return values[0][1]
    return "; ".join(f"{value} (B = {', '.join(map(str, sizes))})" for value, sizes in grouped.items())
