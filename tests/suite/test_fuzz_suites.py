"""Ten thousand damaged suite files: each is loaded or raises a SuiteError, and none causes a crash."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from effort import EFFORT
from hypothesis import given, settings
from hypothesis import strategies as st

from softal_bench.errors import SuiteError
from softal_bench.suite import CostSuite, Suite, load_cost_suite, load_suite

TRIALS: dict[str, Any] = {
    "name": "x",
    "dataset": "digits",
    "validation_size": 32,
    "initial": {"size": 10},
    "budget": 25,
    "model": "digits_cnn",
    "matrix": {"batch_size": [5, 10], "acquisition": ["uniform", {"power": {"score": "bald", "temperature": 0.5}}]},
    "exclude": [{"acquisition": "power", "batch_size": 10}],
    "overrides": [{"where": {"acquisition": "uniform"}, "set": {"posterior_samples": 3}}],
}
COST: dict[str, Any] = {
    "name": "x",
    "kind": "cost",
    "pool_size": 50,
    "source": {"trained": {"dataset": "digits", "model": "digits_cnn"}},
    "matrix": {"batch_size": [1, 2], "acquisition": ["bald", "batchbald"]},
    "report": {"ratio": {"of": ["batchbald"], "to": "bald"}},
}
NASTY: list[Any] = [
    None,
    True,
    0,
    -1,
    10**30,
    1e-320,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "../../etc/passwd",
    "<b>|`",
    "bald",
    "digits",
    "uniform\n",
    [],
    [[]],
    ["bald", "bald"],
    {},
    {"bald": None},
    {"bald": []},
    {"bald": {"": 1}},
    {"a": 1, "b": 2},
    {"repeated": {"of": {"repeated": {"of": "digits"}}}},
    {"arrays": {"path": "/dev/null"}},
    {"softmax": {"score": "softmax"}},
    {"synthetic": {"num_classes": 1}},
]
KEYS = [*TRIALS, *COST, "trials", "training", "report", "seed", "threads", "pool_subset", "validation", "device"]
KEYS += ["training.patience", "matrix.acquisition", "initial.size", "acquisition", "batch_size", "a.b", "", ".", "set"]
SNIPPETS = [
    "*a",
    "&a ",
    "!!int ",
    "!!python/name:os.system ",
    "<<: ",
    ": ",
    "- ",
    "[",
    "}",
    '"',
    "\n",
    "\t",
    "? ",
    "\x00",
]

values = st.sampled_from(NASTY) | st.integers() | st.floats() | st.text(max_size=4)
changes = st.tuples(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.sampled_from(KEYS), values)
splices = st.tuples(st.integers(0, 500), st.integers(0, 12), st.sampled_from(SNIPPETS) | st.text(max_size=6))


def changed(data: Any, path: list[int], key: str, value: Any) -> None:
    """Walk into the document along the given places, and change a key or an item where the walk ends."""
    for place in path[:-1]:
        inner = list(data.values()) if isinstance(data, dict) else data
        if not inner or not isinstance(inner[place % len(inner)], dict | list):
            break
        data = inner[place % len(inner)]
    if isinstance(data, list):
        data.insert(path[-1], value)
    elif path[-1] == 9 and len(data) > 1:
        data.pop(list(data)[1])
    else:
        data[list(data)[path[-1] % len(data)] if data and path[-1] % 2 else key] = value


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of the file that tests damage."""
    return tmp_path_factory.mktemp("fuzz") / "x.yaml"


def loaded(path: Path, cost: bool) -> Suite | CostSuite | SuiteError:
    try:
        return (load_cost_suite if cost else load_suite)(path)
    except SuiteError as error:
        return error


@pytest.mark.parametrize("cost", [False, True])
def test_the_undamaged_suites_are_valid(path: Path, cost: bool) -> None:
    path.write_text(json.dumps(COST if cost else TRIALS))
    assert isinstance(loaded(path, cost), CostSuite if cost else Suite)


@pytest.mark.long
@settings(max_examples=10_000 * EFFORT)
@given(
    st.booleans(),
    st.lists(changes, max_size=3),
    st.sampled_from(range(5)).flatmap(lambda one: splices if one == 4 else st.none()),
)
def test_a_damaged_suite_is_loaded_or_the_error_names_the_file(
    path: Path, cost: bool, damage: list[Any], splice: tuple[int, int, str] | None
) -> None:
    document = copy.deepcopy(COST if cost else TRIALS)
    for change in damage:
        changed(document, *copy.deepcopy(change))
    text = json.dumps(document)
    if splice:
        at, over, put = splice
        text = text[:at] + put + text[at + over :]
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    found = loaded(path, cost)
    if isinstance(found, SuiteError):
        assert str(found).startswith(f"{path}: ")
        assert len(str(found)) < 3000
    else:
        assert found.name
        assert all(condition.key(0) for condition in found.conditions)
