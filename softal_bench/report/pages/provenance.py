"""Where the numbers of a page come from: devices, versions, dates, and the condition of each method."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd

from softal_bench.records.lookup import Recorded, devices
from softal_bench.registry.parameters import parameters_text, value_text
from softal_bench.report.pages.markdown import counted
from softal_bench.report.stats.numbers import ABSENT
from softal_bench.report.stats.sections import IN_THE_TABLES, all_labels
from softal_bench.report.stats.tables import METHOD
from softal_bench.suite import AnyCondition

Flat = dict[str, str]
_SAMPLES = "posterior_samples"


def facts(recorded: Sequence[Recorded], noun: str) -> list[tuple[str, str]]:
    """Return what journals say about the runs, as (name, value) in plain text, never the present.

    Args:
        recorded: trials or cells that have a journal.
        noun: what one of them is called.
    """
    known = {
        "Device": "; ".join(devices(recorded)),
        f"CPU threads of a {noun}": _values((one.of_environment("threads") for one in recorded), noun),
        "Platform": _values((one.of_environment("platform") for one in recorded), noun),
        "Python": _values((one.of_environment("python") for one in recorded), noun),
        "Packages": _packages(recorded, noun),
        "Dates": _dates(recorded),
    }
    return [(name, value) for name, value in known.items() if value]


def methods_table(conditions: Sequence[AnyCondition], apart: set[str]) -> pd.DataFrame:
    """Return the condition of each method in brief: its name, its parameters, K, and all else that differs.

    Where a value depends on B, each value names its batch sizes.

    Args:
        conditions: of the suite.
        apart: keys that the page's tables and headings show.
    """
    keys = _differing(conditions, apart)
    labels = all_labels(conditions)
    rows = [_method_row(conditions, label, keys) for label in labels]
    columns = ["Name", "Parameters", *("K" if key == _SAMPLES else key for key in keys)]
    return pd.DataFrame(rows, index=pd.Index(labels, name=METHOD), columns=columns, dtype=object)


def shared_settings(conditions: Sequence[AnyCondition], apart: set[str]) -> Flat:
    """Return the settings that all conditions share, but for those apart: dotted key -> value, sorted by key."""
    flat = [_flat(condition, apart) for condition in conditions]
    if not flat:
        return {}
    differing = _differing(conditions, apart)
    return {key: value for key, value in sorted(flat[0].items()) if key not in differing}


def _method_row(conditions: Sequence[AnyCondition], label: str, keys: list[str]) -> list[str]:
    own = [condition for condition in conditions if condition.acquisition.label == label]
    acquisition = own[0].describe()["acquisition"]
    parameters = parameters_text(acquisition["parameters"])
    flat = [(condition.batch_size, _flat(condition, set())) for condition in own]
    settings = [_by_batch_size([(size, values.get(key, ABSENT)) for size, values in flat]) for key in keys]
    return [str(acquisition["name"]), parameters or ABSENT, *settings]


def _differing(conditions: Sequence[AnyCondition], apart: set[str]) -> list[str]:
    """K, then every key that is not the same in all conditions; less those apart."""
    flat = [_flat(condition, apart) for condition in conditions]
    keys = sorted({key for values in flat for key in values})
    differing = [key for key in keys if key != _SAMPLES and len({values.get(key) for values in flat}) > 1]
    return [key for key in (_SAMPLES, *differing) if key not in apart]


def _flat(condition: AnyCondition, apart: set[str]) -> Flat:
    described = condition.describe()
    found = leaves({key: described[key] for key in described if key not in {*IN_THE_TABLES, *apart}})
    return {key: value for key, value in found if key not in apart}


def leaves(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted key and the text of each value in nested mappings; a plugin is one value."""
    for key, inner in value.items():
        if isinstance(inner, dict) and {"name", "parameters"} <= inner.keys():
            yield f"{prefix}{key}", value_text({inner["name"]: inner["parameters"]})
        elif isinstance(inner, dict) and inner:
            yield from leaves(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value_text(inner)


def _by_batch_size(values: list[tuple[int, str]]) -> str:
    """Each distinct value; with its batch sizes where they tell the values apart."""
    grouped: dict[str, list[int]] = {}
    for size, value in sorted(values):
        if size not in grouped.setdefault(value, []):
            grouped[value].append(size)
    if sum(map(len, grouped.values())) > len({size for size, _ in values}):
        return "; ".join(grouped)
    if len(grouped) == 1:
        return values[0][1]
    return "; ".join(f"{value} (B = {', '.join(map(str, sizes))})" for value, sizes in grouped.items())


def _values(values: Iterable[object], noun: str) -> str:
    """Each distinct value; of several, each with how many trials: `3.11.4 (1 trial), 3.12.0 (8 trials)`."""
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
