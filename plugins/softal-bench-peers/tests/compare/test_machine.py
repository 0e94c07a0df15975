"""What each row of a run records of where and when it was measured."""

from dataclasses import replace

import torch
from softal_bench_peers.compare.machine import compare, environment_of
from softal_bench_peers.compare.settings import Settings

from softal_bench.machine.device import device_name


def test_rows_of_a_run_share_a_group_and_rows_of_another_run_do_not(settings: Settings) -> None:
    rows, others = list(compare(settings)), list(compare(replace(settings, run="2025-01-31T10:00:00+00:00")))
    assert len({row.together for row in rows}) == 1
    assert len({row.together for row in [*rows, *others]}) == 2


def test_a_row_records_run_torch_and_processor(settings: Settings) -> None:
    found = environment_of(settings)
    assert found["run"] == settings.run
    assert found["torch"] == torch.__version__
    assert found["processor"] == device_name(torch.device("cpu"))
