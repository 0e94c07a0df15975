"""Each work runs in tiny settings, agrees with its peer, and says so in rows that the record takes."""

import json
import os
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from softal_bench_peers.compare import batchbald, batchbald_growth, scoring, streaming, training_step
from softal_bench_peers.compare.__main__ import WORKS, main
from softal_bench_peers.compare.fresh import in_fresh_process
from softal_bench_peers.compare.pairs import Pairs
from softal_bench_peers.compare.settings import Settings

HAS_MNIST = "SOFTAL_DATA" in os.environ and (Path(os.environ["SOFTAL_DATA"]) / "MNIST" / "raw").is_dir()
needs_mnist = pytest.mark.skipif(not HAS_MNIST, reason="set SOFTAL_DATA to the folder that holds MNIST/raw")


@pytest.fixture
def log_probs() -> torch.Tensor:
    logits = 3 * torch.randn(80, 1, 10, generator=torch.Generator().manual_seed(0))
    return (logits + torch.randn(80, 10, 10, generator=torch.Generator().manual_seed(1))).log_softmax(dim=-1)


def test_scores_and_distributions_match_both_peers(settings: Settings, log_probs: torch.Tensor) -> None:
    rows = [
        scoring._bald_beside_redux(settings, "tiny", log_probs),
        scoring._bald_beside_baal(settings, "tiny", log_probs),
        scoring._softmax_beside_baal(settings, "tiny", log_probs),
    ]
    assert [row.peer for row in rows] == ["batchbald_redux", "baal", "baal"]
    assert all(row.same_answer and len(row.peer_seconds) == len(row.our_seconds) == 2 for row in rows)


def test_batches_that_differ_only_by_ties_are_equal() -> None:
    scores = torch.tensor([0.5, 0.5, 0.3, 0.1])
    assert scoring.same_but_for_ties(scores, [0, 2], [1, 2], 1e-6)
    assert not scoring.same_but_for_ties(scores, [0, 2], [0, 3], 1e-6)
    assert not scoring.same_but_for_ties(scores, [0, 0], [0, 1], 1e-6)


def test_batchbald_matches_the_peer_if_entropies_are_exact(settings: Settings, log_probs: torch.Tensor) -> None:
    row = batchbald._compare(settings, log_probs.double(), 4)
    assert row.same_answer
    assert row.details == {"Points equal, by repetition": "4/4, 4/4"}


def test_a_batch_with_less_joint_information_is_not_equal(settings: Settings, log_probs: torch.Tensor) -> None:
    information = scoring._bald(log_probs)
    best, worst = information.topk(6).indices.tolist(), information.topk(6, largest=False).indices.tolist()
    same, details = batchbald._agreement(settings, log_probs, Pairs([1.0], [1.0], [best], [worst]), exact=0)
    assert not same
    assert str(details["Ours less theirs, joint information, nats"]).startswith("-")


def test_memory_growth_is_measured_in_a_new_process(log_probs: torch.Tensor) -> None:
    seconds, growth = in_fresh_process(batchbald_growth.choose, 1, log_probs, 200, 3, torch.device("cpu"))
    assert seconds > 0
    assert 0 <= growth < 2**28


def test_a_streamed_softmax_batch_is_valid_and_stores_no_log_probs() -> None:
    points = 60_000  # 48 MB of log-probs in float32
    choice = in_fresh_process(streaming.choose, 1, points, torch.device("cpu"))
    assert choice.sound
    assert choice.growth_bytes < points * 20 * 10 * 4


@needs_mnist
def test_losses_of_both_training_steps_match_with_equal_masks(settings: Settings) -> None:
    with_data = Settings(settings.device, 1, 2, Path(os.environ["SOFTAL_DATA"]), settings.work_dir, quick=True)
    differences = training_step.loss_differences(with_data, training_step.labelled_batches(with_data)[:3])
    assert differences[0] < 1e-5


@needs_mnist
def test_the_program_merges_its_rows_into_the_record_and_writes_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # it keeps a trained model and log-probs under runs/
    record = tmp_path / "records" / "compare.json"
    options = ["--quick", "--repetitions", "2", "--threads", "1", "--device", "cpu", "--into", str(record)]
    for work in ("scoring", "machine", "machine"):
        result = CliRunner().invoke(main, [*options, "--only", work])
        assert result.exit_code == 0, result.output
    rows = json.loads(record.read_text())
    assert [row["work"] for row in rows[:3]] == ["machine", "machine", "scoring"]
    assert len({(row["work"], row["setting"], row["peer"]) for row in rows}) == len(rows)
    assert "## Scoring" in (tmp_path / "compare.md").read_text()


def test_the_error_for_an_unknown_work_lists_all_works() -> None:
    result = CliRunner().invoke(main, ["--only", "sorting"])
    assert result.exit_code == 2
    assert all(work.lower() in result.output.lower() for work in WORKS)


def test_a_record_in_another_folder_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--page", "--into", str(tmp_path / "somewhere.json")])
    assert result.exit_code == 1
    assert "records/compare.json" in result.output
