"""Export of the journals of a suite as a table, with a row for each round, or for each sample of a cost suite."""

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from softal_bench.errors import SoftalError, one_line
from softal_bench.journal.lines import Round
from softal_bench.records.cells import CostResults
from softal_bench.records.trials import Results, Trial
from softal_bench.registry.parameters import value_text
from softal_bench.suite import AnyCondition

_STARTS_A_FORMULA = ("=", "+", "-", "@")
_WHOLE = ("batch_size", "pool_size", "posterior_samples", "trial", "round", "sample", "labels", "peak_bytes")
Row = dict[str, Any]


def rounds_table(results: Results) -> pd.DataFrame:
    """Return a table with a row for each round: the condition's varied keys, the trial, and the measured values.

    A trial without rounds, failed or not run, has one row with its status and no measured values, so that no trial is
    silently missing. The seconds of each phase are in columns `seconds_train`, `seconds_predict` and so on.
    """
    keys = _keys(results.suite.varied, ("acquisition", "batch_size"))
    return _frame([row for trial in results.trials for row in _rounds(trial, keys)])


def samples_table(results: CostResults) -> pd.DataFrame:
    """Return a table with a row for each sample of each cell of a cost suite. A cell without samples has one row."""
    keys = _keys(results.suite.varied, ("acquisition", "batch_size", "pool_size", "posterior_samples", "source"))
    rows = []
    for cell in results.cells:
        place = {**_place(cell.condition, keys), "key": cell.key, "status": cell.status}
        peak = cell.line.peak_bytes if cell.line else None
        samples: Sequence[float | None] = cell.samples or [None]
        for number, seconds in enumerate(samples):
            measured = {"sample": None if seconds is None else number, "seconds": seconds, "peak_bytes": peak}
            rows.append({**place, **measured})
    return _frame(rows)


def to_csv(table: pd.DataFrame) -> bytes:
    """Return the table as CSV in UTF-8.

    Line breaks in texts are replaced, and texts that a spreadsheet would read as formulas are prefixed with `'`.
    """
    texts = table.select_dtypes(exclude="number").columns
    safe = table.assign(**{name: table[name].map(_harmless) for name in texts})
    return safe.rename(columns=_harmless).to_csv(index=False).encode()


def to_json(table: pd.DataFrame) -> bytes:
    """Return the table as a JSON list of objects. Missing values are null. Numbers keep all their digits."""
    rows = table.astype(object).where(table.notna(), None).to_dict(orient="records")
    return (json.dumps(rows, indent=1, allow_nan=False) + "\n").encode()


def to_parquet(table: pd.DataFrame) -> bytes:
    """Return the table as Parquet. A column with values of several types is converted to text.

    Raises:
        SoftalError: if pyarrow is not installed.
    """
    buffer = io.BytesIO()
    mixed = [name for name in table.columns if table[name].dropna().map(type).nunique() > 1]
    texts = {name: table[name].map(str, na_action="ignore") for name in mixed}
    try:
        table.assign(**texts).to_parquet(buffer, engine="pyarrow", index=False)
    except ImportError as error:
        raise SoftalError(
            "--format parquet needs pyarrow, which is not installed: pip install 'softal-bench[parquet]', or use "
            "--format csv or json"
        ) from error
    return buffer.getvalue()


def _rounds(trial: Trial, keys: list[str]) -> Iterator[Row]:
    place = {**_place(trial.condition, keys), "trial": trial.number, "key": trial.key, "status": trial.status}
    if not trial.rounds:
        yield {**place, "round": None, **dict.fromkeys(("labels", "accuracy", "nll", "peak_bytes"))}
    for number, round_ in enumerate(trial.rounds):
        yield {**place, "round": number, **_measured(round_)}


def _measured(round_: Round) -> Row:
    numbers = {"labels": round_.labels, "accuracy": round_.accuracy, "nll": round_.nll}
    seconds = {f"seconds_{phase}": value for phase, value in round_.seconds.items()}
    return {**numbers, **seconds, "peak_bytes": round_.peak_bytes}


def _keys(varied: Sequence[str], always: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*always, *varied]))


def _place(condition: AnyCondition, keys: list[str]) -> Row:
    values = {key: condition.value(key) for key in keys}
    return {key: value if isinstance(value, str | int | float) else value_text(value) for key, value in values.items()}


def _frame(rows: list[Row]) -> pd.DataFrame:
    """Return a frame whose columns of whole numbers remain integers even if values are missing."""
    table = pd.DataFrame(rows)
    return table.astype({name: "Int64" for name in _WHOLE if name in table.columns})


def _harmless(value: Any) -> Any:
    """Return a text on one line, with a prefix `'` if it could be a formula. Return any other value unchanged.

    A carriage return in a text would start a new row.
    """
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return f"'{text}" if text.startswith(_STARTS_A_FORMULA) else text
