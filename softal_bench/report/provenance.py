"""Where the numbers of a page come from: devices, versions, dates, and the condition of each method."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pandas as pd

from softal_bench.report.cost import devices
from softal_bench.report.markdown import counted
from softal_bench.report.records import ConditionResults, Results
from softal_bench.report.sections import IN_THE_TABLES, all_labels, shown, shown_parameters
from softal_bench.report.tables import ABSENT, METHOD

Flat = dict[str, str]
_SAMPLES = "posterior_samples"


def facts(results: Results) -> list[tuple[str, str]]:
    """Return what the journals say about the runs, as (name, value) in plain text, never the present."""
    environments = [trial.environment for trial in results.trials if trial.record]
    known = {
        "Device": "; ".join(devices(results)),
        "CPU threads of a trial": _values(environment.get("threads") for environment in environments),
        "Platform": _values(environment.get("platform") for environment in environments),
        "Python": _values(environment.get("python") for environment in environments),
        "Packages": _packages(results),
        "Dates": _dates(results),
    }
    return [(name, value) for name, value in known.items() if value]


def methods_table(results: Results) -> pd.DataFrame:
    """Return the condition of each method in brief: its name, its parameters, K, and all else that differs.

    Where a value depends on B, each value names its batch sizes.
    """
    keys = _differing(results)
    labels = all_labels(results)
    rows = [_method_row(results, label, keys) for label in labels]
    columns = ["Name", "Parameters", *("K" if key == _SAMPLES else key for key in keys)]
    return pd.DataFrame(rows, index=pd.Index(labels, name=METHOD), columns=columns, dtype=object)


def shared_settings(results: Results) -> Flat:
    """Return the settings that all conditions of the suite share: dotted key -> value, sorted by key."""
    flat = [_flat(cell) for cell in results.conditions]
    if not flat:
        return {}
    apart = {*_differing(results), *results.suite.varied}
    return {key: value for key, value in sorted(flat[0].items()) if key not in apart}


def _method_row(results: Results, label: str, keys: list[str]) -> list[str]:
    own = [cell for cell in results.conditions if cell.condition.acquisition.label == label]
    acquisition = own[0].condition.describe()["acquisition"]
    parameters = shown_parameters(acquisition["parameters"])
    flat = [(cell.condition.batch_size, _flat(cell)) for cell in own]
    settings = [_by_batch_size([(size, values.get(key, ABSENT)) for size, values in flat]) for key in keys]
    return [str(acquisition["name"]), parameters or ABSENT, *settings]


def _differing(results: Results) -> list[str]:
    """K, then every key that is not the same in all conditions; less those that tables and headings show."""
    flat = [_flat(cell) for cell in results.conditions]
    keys = sorted({key for values in flat for key in values})
    differing = [key for key in keys if key != _SAMPLES and len({values.get(key) for values in flat}) > 1]
    return [key for key in (_SAMPLES, *differing) if key not in results.suite.varied]


def _flat(cell: ConditionResults) -> Flat:
    described = cell.condition.describe()
    return dict(_leaves({key: described[key] for key in described if key not in IN_THE_TABLES}, ""))


def _leaves(value: dict[str, Any], prefix: str) -> Iterable[tuple[str, str]]:
    for key, inner in value.items():
        if isinstance(inner, dict) and {"name", "parameters"} <= inner.keys():  # a plugin is one value
            yield f"{prefix}{key}", shown({inner["name"]: inner["parameters"]})
        elif isinstance(inner, dict) and inner:
            yield from _leaves(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", shown(inner)


def _by_batch_size(values: list[tuple[int, str]]) -> str:
    grouped: dict[str, list[int]] = {}
    for size, value in sorted(values):
        if size not in grouped.setdefault(value, []):
            grouped[value].append(size)
    if len(grouped) == 1:
        return values[0][1]
    return "; ".join(f"{value} (B = {', '.join(map(str, sizes))})" for value, sizes in grouped.items())


def _values(values: Iterable[object]) -> str:
    """Each distinct value; of several, each with how many trials: `3.11.4 (1 trial), 3.12.0 (8 trials)`."""
    counts = Counter(str(value) for value in values if value is not None)
    if len(counts) < 2:
        return next(iter(counts), "")
    return ", ".join(f"{value} ({counted(count, 'trial')})" for value, count in sorted(counts.items()))


def _packages(results: Results) -> str:
    versions = [trial.versions for trial in results.trials if trial.record]
    packages = sorted({package for trial in versions for package in trial})
    return ", ".join(f"{package} {_values(trial.get(package) for trial in versions)}" for package in packages)


def _dates(results: Results) -> str:
    dates = sorted(time.date().isoformat() for trial in results.trials for time in trial.times)
    if not dates:
        return ""
    return f"{dates[0]} (UTC)" if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]} (UTC)"
