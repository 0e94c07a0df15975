"""Built-in methods that read more than scores, each run on real digits from a suite."""

from pathlib import Path

import pytest
from suite.example import acquiring

from .conftest import Loader
from .example import journals, of_kind, run

METHODS = ["mean_std", "random_top", "thompson_bald", "badge", "coreset", {"power": {"score": "epig"}}]


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_a_method_acquires_full_batches_of_unlabelled_points(load: Loader, tmp_path: Path, method: object) -> None:
    assert run(load(matrix=acquiring(method)), tmp_path / "runs") == {"done": 1}
    ((header, *lines),) = journals(tmp_path / "runs").values()
    rounds = of_kind(lines, "round")
    assert [len(line["acquired"]) for line in rounds] == [5, 5, 5, 0]
    labelled = [*header["start"], *(index for line in rounds for index in line["acquired"])]
    assert len(set(labelled)) == 25
