"""Each rule of conformance lets the built-in acquisition functions pass, and catches the one that breaks it alone."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from softal_bench.conformance import Result, check_acquisition
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, OneSampleScore, Pool
from softal_bench.registry import acquisitions

Select = Callable[[Pool, int, torch.Generator], AcquiredBatch]


@dataclass(frozen=True)
class Planted(AcquisitionFunction):
    """Selects as the function given does."""

    rule: Select

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        return self.rule(pool, batch_size, generator)


def first(pool: Pool, batch_size: int) -> AcquiredBatch:
    if batch_size > pool.size:
        raise ValueError("too many")
    return AcquiredBatch(torch.arange(batch_size), torch.zeros(batch_size))


def repeats_a_position(pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
    chosen = first(pool, batch_size)
    return AcquiredBatch(torch.zeros_like(chosen.positions), chosen.scores)


def takes_fewer_than_asked(pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
    size = min(pool.size, batch_size)
    return AcquiredBatch(torch.arange(size), torch.zeros(size))


def writes_to_its_inputs(pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
    for _, log_probs_n_K_C in pool.log_probs():
        log_probs_n_K_C.sub_(1.0)
    return first(pool, batch_size)


def uses_the_global_generator(pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
    torch.rand(3)
    return first(pool, batch_size)


def depends_on_chunks(pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
    chosen = first(pool, batch_size)
    chunks = len(list(pool.log_probs()))
    return AcquiredBatch((chosen.positions + chunks) % pool.size, chosen.scores)


def differs_each_time() -> Select:
    calls = iter(range(10**6))

    def select(pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        chosen = first(pool, batch_size)
        return AcquiredBatch((chosen.positions + next(calls)) % pool.size, chosen.scores)

    return select


def is_random_but_does_not_say_so(pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
    chosen = first(pool, batch_size)
    return AcquiredBatch(torch.randperm(pool.size, generator=generator)[:batch_size], chosen.scores)


@dataclass(frozen=True)
class LogOfZero(OneSampleScore):
    """Minus the expected log-prob of the most probable class: infinite for nobody, NaN for one-hot predictions."""

    def scores(self, pool: Pool) -> Tensor:
        return torch.cat([-(lp.exp() * lp).sum(-1).mean(-1) for _, lp in pool.log_probs()]).double()


def failed(results: list[Result]) -> list[str]:
    return [result.rule for result in results if result.failed]


@pytest.mark.parametrize("name", acquisitions.names())
def test_built_in_acquisition_functions_keep_every_rule(name: str) -> None:
    assert failed(check_acquisition(acquisitions.build(name))) == []


@pytest.mark.parametrize(
    ("acquisition", "broken"),
    [
        (Planted(repeats_a_position), "chooses exactly B distinct positions in range"),
        (Planted(takes_fewer_than_asked), "refuses B above the size of the pool"),
        (Planted(writes_to_its_inputs), "leaves its inputs as they were"),
        (Planted(uses_the_global_generator), "touches no global generator"),
        (Planted(depends_on_chunks), "does not depend on how the pool is chunked"),
        (Planted(differs_each_time()), "the same generator state gives the same batch"),
        (Planted(is_random_but_does_not_say_so), "another generator state gives another batch, if stochastic"),
        (LogOfZero(), "takes extreme predictions"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_rule_that_is_broken_is_told(acquisition: AcquisitionFunction, broken: str) -> None:
    assert broken in failed(check_acquisition(acquisition))


def test_an_acquisition_function_that_keeps_the_rules_fails_none() -> None:
    assert failed(check_acquisition(Planted(lambda pool, batch_size, _: first(pool, batch_size)))) == []


@dataclass(frozen=True)
class SaysItIsStochastic(Planted):
    stochastic = True


@dataclass(frozen=True)
class Embeds(AcquisitionFunction):
    """Reads embeddings, and declares it or does not."""

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        pool.embeddings()
        return first(pool, batch_size)


@dataclass(frozen=True)
class EmbedsAndSaysSo(Embeds):
    needs = frozenset({"embeddings"})


def test_a_stochastic_rule_has_to_vary() -> None:
    planted = SaysItIsStochastic(lambda pool, batch_size, _: first(pool, batch_size))
    assert failed(check_acquisition(planted)) == ["another generator state gives another batch, if stochastic"]


def test_what_is_read_has_to_be_declared() -> None:
    assert failed(check_acquisition(EmbedsAndSaysSo())) == []
    assert "chooses exactly B distinct positions in range" in failed(check_acquisition(Embeds()))
