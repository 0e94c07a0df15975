"""The posterior: K samples, the same for all inputs, and log-probs that are normalised."""

import torch

from softal_bench.conformance.models.toy import SAMPLES, Toy, generator
from softal_bench.conformance.rules import NotApplicable, Rule, require

_ROUNDING = 1e-4  # of float32, in log-probs and embeddings that are computed in another order
_CHUNK = 7


def _num_samples(toy: Toy) -> None:
    got = toy.fitted.posterior(SAMPLES, generator(0)).num_samples
    require(got == SAMPLES, f"a posterior of {SAMPLES} samples: expected num_samples {SAMPLES}, got {got}")


def _normalised(toy: Toy) -> None:
    log_probs_n_K_C = toy.log_probs(toy.fitted)
    expected, got = (len(toy.examples), SAMPLES, toy.examples.num_classes), tuple(log_probs_n_K_C.shape)
    require(got == expected, f"expected log-probs of shape {expected}, got {got}")
    worst = log_probs_n_K_C.double().logsumexp(dim=-1).abs().max().item()
    require(worst < 1e-5, f"expected log-probs whose exponentials sum to 1, got a logarithm of the sum of {worst:.2g}")


def _chunks(toy: Toy) -> None:
    posterior = toy.fitted.posterior(SAMPLES, generator(0))
    whole = posterior.log_probs(toy.examples.inputs)
    parts = torch.cat([posterior.log_probs(inputs_n) for inputs_n in torch.split(toy.examples.inputs, _CHUNK)])
    difference = (whole - parts).abs().max().item()
    require(
        difference < _ROUNDING,
        f"{len(whole)} inputs at once and in chunks of {_CHUNK} differ by {difference:.2g} in log-probs",
    )


def _fixed_samples(toy: Toy) -> None:
    posterior = toy.fitted.posterior(SAMPLES, generator(0))
    before = posterior.log_probs(toy.examples.inputs)
    toy.log_probs(toy.fitted, seed=1)
    same = torch.equal(before, posterior.log_probs(toy.examples.inputs))
    require(same, "its log-probs changed after another posterior was drawn from the same model")


def _same_state(toy: Toy) -> None:
    same = torch.equal(toy.log_probs(toy.fitted), toy.log_probs(toy.fitted))
    require(same, "two posteriors drawn with generators of the same state differ")


def _other_state(toy: Toy) -> None:
    same = torch.equal(toy.log_probs(toy.fitted, seed=0), toy.log_probs(toy.fitted, seed=1))
    got = f"generators seeded with 0 and 1 gave {'the same posterior' if same else 'two posteriors'}"
    declared = toy.fitted.stochastic_posterior
    require(same != declared, f"{got}, but its stochastic_posterior is {declared}")


def _samples_differ(toy: Toy) -> None:
    log_probs_n_K_C = toy.log_probs(toy.fitted)
    spread = (log_probs_n_K_C - log_probs_n_K_C[:, :1]).abs().max().item()
    require(spread > 0, f"all {SAMPLES} posterior samples predict the same, so there is nothing to learn about them")


def _embeddings(toy: Toy) -> None:
    try:
        whole = toy.fitted.embeddings(toy.examples.inputs)
    except NotImplementedError as error:
        raise NotApplicable(str(error)) from error
    size = len(toy.examples)
    sound = whole.ndim == 2 and len(whole) == size and whole.is_floating_point() and bool(whole.isfinite().all())
    require(sound, f"expected finite embeddings of shape ({size}, D), got {whole.dtype} of {tuple(whole.shape)}")
    parts = torch.cat([toy.fitted.embeddings(inputs_n) for inputs_n in torch.split(toy.examples.inputs, _CHUNK)])
    difference = (whole - parts).abs().max().item()
    require(difference < _ROUNDING, f"{size} inputs at once and in chunks of {_CHUNK} differ by {difference:.2g}")


RULES: tuple[Rule[Toy], ...] = (
    Rule("num_samples", "a posterior has as many samples as asked for", _num_samples),
    Rule("normalised", "log-probs are normalised", _normalised),
    Rule("chunks", "a posterior's samples are the same for all inputs and chunks", _chunks),
    Rule("fixed_samples", "a posterior's samples stay when another is drawn", _fixed_samples),
    Rule("same_state", "the same generator state gives the same posterior", _same_state),
    Rule("other_state", "another generator state gives another posterior, if it says so", _other_state),
    Rule("samples_differ", "the samples of a posterior differ", _samples_differ),
    Rule("embeddings", "gives one finite embedding an input, however they are chunked, if it offers any", _embeddings),
)
