"""Seeds by purpose: the same for every method, different for everything else, and never changed."""

import hashlib
import itertools
import json

import torch
from hypothesis import given
from hypothesis import strategies as st

from softal_bench.seeding import Seeds


def test_seeds_have_not_changed_since_the_first_records() -> None:
    digest = hashlib.sha256(json.dumps([0, 1, 3, "posterior"]).encode()).digest()
    assert Seeds(0, 1).seed("posterior", 3) == int.from_bytes(digest[:8], "big") >> 1
    assert Seeds(0, 1).seed("posterior", 3) == 6095701685100711062


@given(
    suite_seed=st.integers(0, 2**63),
    trial=st.integers(0, 10**6),
    purpose=st.text(max_size=20),
    round_=st.none() | st.integers(0, 10**4),
)
def test_a_seed_fits_63_bits_and_is_reproducible(suite_seed: int, trial: int, purpose: str, round_: int | None) -> None:
    seed = Seeds(suite_seed, trial).seed(purpose, round_)
    assert 0 <= seed < 2**63
    assert seed == Seeds(suite_seed, trial).seed(purpose, round_)
    assert Seeds(suite_seed, trial).generator(purpose, round_).initial_seed() == seed


def test_seeds_differ_between_suite_seeds_trials_rounds_and_purposes() -> None:
    parts = itertools.product([0, 1, 11], [0, 1, 11, 110], [None, 0, 1, 10], ["start", "posterior", "1", ""])
    seeds = [Seeds(suite_seed, trial).seed(purpose, round_) for suite_seed, trial, round_, purpose in parts]
    assert len(set(seeds)) == len(seeds) == 3 * 4 * 4 * 4


def test_generators_are_on_the_cpu_and_reproducible() -> None:
    first, same, other = (Seeds(0, trial).generator("noise") for trial in (0, 0, 1))
    assert first.device.type == "cpu"
    drawn = torch.rand(5, generator=first)
    assert torch.equal(drawn, torch.rand(5, generator=same))
    assert not torch.equal(drawn, torch.rand(5, generator=other))


def test_seeding_uses_no_global_generator() -> None:
    before = torch.get_rng_state()
    Seeds(0, 0).generator("noise")
    assert torch.equal(torch.get_rng_state(), before)
