"""The built-in acquisition functions pass every rule, and each rule catches a function that breaks only this rule."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from conftest import needs_cuda
from softal_plugins.acquisitions.bald import BALD

from softal_bench.conformance import Result, check_acquisition, check_plugin, checks_of, rules_of
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool
from softal_bench.registry import acquisitions

from .planted_acquisitions import BROKEN

RULES = [rule.name for rule in rules_of(AcquisitionFunction)]


def failed(results: list[Result]) -> list[str]:
    return [result.name for result in results if result.failed]


def failures(results: list[Result]) -> list[str]:
    return [str(result) for result in results if result.failed]


@pytest.mark.parametrize("name", acquisitions.names())
def test_built_in_acquisition_functions_keep_every_rule(name: str, tmp_path: Path) -> None:
    results = check_plugin(acquisitions, name, tmp_path)
    assert [result.name for result in results] == RULES
    assert failures(results) == []


@pytest.mark.parametrize(
    ("rule", "acquisition"), [pytest.param(*pair, id=f"{number}-{pair[0]}") for number, pair in enumerate(BROKEN)]
)
def test_an_acquisition_function_that_breaks_one_rule_fails_only_this_rule(
    rule: str, acquisition: AcquisitionFunction
) -> None:
    assert failed(check_acquisition(acquisition)) == [rule]


def test_every_rule_has_an_acquisition_function_that_breaks_it() -> None:
    assert {rule for rule, _ in BROKEN} == set(RULES)


def test_a_failure_states_the_input_the_expected_and_the_actual_result() -> None:
    (broken,) = (acquisition for rule, acquisition in BROKEN if rule == "distinct_positions")
    (message,) = (str(result) for result in check_acquisition(broken) if result.failed)
    assert message.startswith(
        "failed: distinct_positions: acquires exactly B distinct positions in range: 7 of 40 points: "
    )
    assert "was chosen 2 times; need distinct positions" in message


@pytest.mark.parametrize(("name", "status"), [("uniform", "skipped"), ("coreset", "skipped"), ("softmax", "passed")])
def test_the_rule_worst_point_applies_only_to_scores_and_rules_over_scores(name: str, status: str) -> None:
    (result,) = (result for result in check_acquisition(acquisitions.build(name)) if result.name == "worst_point")
    assert result.status == status
    assert ("it is neither a one-sample score nor a rule over one" in result.detail) == (status == "skipped")


@dataclass(frozen=True)
class Embeds(BALD):
    """Reads embeddings without declaring it."""

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        pool.embeddings()
        return super().select(pool, batch_size, generator)


@dataclass(frozen=True)
class EmbedsAndSaysSo(Embeds):
    needs = frozenset({"embeddings"})


def test_needs_must_be_declared() -> None:
    assert failures(check_acquisition(EmbedsAndSaysSo())) == []
    assert "distinct_positions" in failed(check_acquisition(Embeds()))


@dataclass(frozen=True)
class SaysItIsQuadratic(AcquisitionFunction):
    """Declares quadratic time and memory."""

    broken: AcquisitionFunction
    time_order = 2.0
    memory_order = 2.0

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        return self.broken.select(pool, batch_size, generator)


@dataclass(frozen=True)
class AllPairs(AcquisitionFunction):
    """Computes a number for each pair of points, and declares quadratic time and memory."""

    time_order = 2.0
    memory_order = 2.0

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        scores_N = BALD().scores(pool)
        assert pool.size <= 8192  # for a larger pool, the matrix would not fit in memory
        assert int((scores_N[:, None] >= scores_N).sum()) >= pool.size
        return BALD().select(pool, batch_size, generator)


def test_a_function_declared_quadratic_is_measured_on_pools_that_fit_in_memory() -> None:
    assert failures(check_acquisition(AllPairs())) == []


def test_functions_pass_in_a_thread_whose_allocator_keeps_only_small_blocks() -> None:
    with ThreadPoolExecutor(1) as threads:
        for acquisition in (AllPairs(), BALD()):
            assert failures(threads.submit(check_acquisition, acquisition).result()) == []


@dataclass(frozen=True)
class BreaksTies(AcquisitionFunction):
    """Breaks ties at random, and returns the batch in the order of positions."""

    stochastic = True

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        scores_N = BALD().scores(pool)
        shuffled = torch.randperm(pool.size, generator=generator)
        order = shuffled[scores_N[shuffled].argsort(descending=True, stable=True)]
        if batch_size > pool.size:
            raise ValueError("too many")
        positions = order[:batch_size].sort().values
        return AcquiredBatch(positions, scores_N[positions])


def test_a_stochastic_function_may_rarely_be_random_and_return_its_batch_in_any_order() -> None:
    assert failures(check_acquisition(BreaksTies())) == []


@pytest.mark.parametrize("rule", ["time", "memory"])
def test_declared_growth_passes(rule: str) -> None:
    (broken,) = (acquisition for name, acquisition in BROKEN if name == rule)
    assert failures(check_acquisition(SaysItIsQuadratic(broken))) == []


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize("name", acquisitions.names())
def test_built_in_acquisition_functions_keep_the_rules_on_a_gpu(name: str, tmp_path: Path) -> None:
    results = check_plugin(acquisitions, name, tmp_path, torch.device("cuda", 0))
    assert len(results) > 15
    assert failures(results) == []


@dataclass(frozen=True)
class OnTheCpu(AcquisitionFunction):
    """BALD's batch, always on the CPU."""

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        batch = BALD().select(pool, batch_size, generator)
        return AcquiredBatch(batch.positions.cpu(), batch.scores.cpu())


@dataclass(frozen=True)
class OtherwiseElsewhere(BALD):
    """BALD, with the opposite sign on devices that are not CPUs."""

    def scores(self, pool: Pool) -> torch.Tensor:
        scores_N = super().scores(pool)
        return scores_N if pool.device.type == "cpu" else -scores_N


@dataclass(frozen=True)
class WritesElsewhere(AcquisitionFunction):
    """BALD's batch; writes to a pool that is not on a CPU."""

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        batch = BALD().select(pool, batch_size, generator)
        for _, log_probs_n_K_C in pool.log_probs():
            log_probs_n_K_C[:, 0] += pool.device.type != "cpu"
        return batch


@pytest.mark.cuda
@needs_cuda
@pytest.mark.parametrize(
    ("broken", "rule", "message"),
    [
        (OnTheCpu(), "distinct_positions", "expected the positions of the batch there, got them on cpu"),
        (OtherwiseElsewhere(), "as_on_the_cpu", "on the CPU"),
        (WritesElsewhere(), "one_point", "it changed the pool's log_probs_N_K_C in place"),
    ],
)
def test_a_function_that_is_wrong_only_on_a_gpu_fails_only_there(
    broken: AcquisitionFunction, rule: str, message: str
) -> None:
    assert failures(check_acquisition(broken)) == []
    on_gpu = {check.name: check.result() for check in checks_of(broken, device=torch.device("cuda", 0))}
    assert on_gpu[rule].failed
    assert message in on_gpu[rule].detail
