"""Bayesian logistic regression against finite differences, a long Metropolis chain and scikit-learn."""

import math

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional

from softal_bench.bayes import laplace
from softal_bench.bayes.laplace import LaplacePosterior, fit_laplace, gauss_newton, kronecker_eigen


def problem(size: int, inputs: int, classes: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return inputs and one-hot labels that a linear model predicts partly."""
    generator = torch.Generator().manual_seed(seed)
    inputs_L_D = torch.randn(size, inputs, generator=generator, dtype=torch.float64)
    logits_L_C = inputs_L_D @ torch.randn(inputs, classes, generator=generator, dtype=torch.float64)
    labels_L = torch.multinomial(logits_L_C.softmax(dim=1), 1, generator=generator)[:, 0]
    return inputs_L_D, functional.one_hot(labels_L, classes).double()


def energy(weights: Tensor, inputs: Tensor, targets: Tensor, precision: float) -> Tensor:
    """Return E(W) by its definition; inputs with the column of ones."""
    return -(targets * (inputs @ weights).log_softmax(dim=1)).sum() + precision / 2 * weights.square().sum()


def test_the_mode_is_that_of_scikit_learn_and_has_no_gradient() -> None:
    inputs, targets = problem(60, 4, 3)
    fitted = fit_laplace(inputs, targets, precision=0.7)
    weights = fitted.mode_D_C.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(energy(weights, fitted.inputs_L_D, targets, 0.7), weights)
    assert gradient.abs().max() < 1e-3
    theirs = LogisticRegression(C=1 / 0.7, fit_intercept=False, tol=1e-10, max_iter=10_000)
    theirs.fit(fitted.inputs_L_D.numpy(), targets.argmax(dim=1).numpy())
    assert torch.tensor(theirs.coef_.T).sub(fitted.mode_D_C).abs().max() < 1e-3


def test_soft_targets_are_fitted_as_their_repeated_labels() -> None:
    inputs, _ = problem(30, 3, 3)
    soft = fit_laplace(inputs[:1].expand(4, -1), torch.tensor([[0.5, 0.25, 0.25]]).expand(4, -1), precision=1.0)
    labels = fit_laplace(inputs[:1].expand(4, -1), torch.eye(3)[[0, 0, 1, 2]], precision=1.0)
    assert torch.allclose(soft.mode_D_C, labels.mode_D_C, atol=1e-5)


def test_the_gauss_newton_matrix_is_the_hessian_of_the_negative_log_likelihood() -> None:
    inputs, targets = problem(20, 3, 4)
    weights = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    hessian = torch.autograd.functional.hessian(  # type: ignore[no-untyped-call]
        lambda flat: energy(flat.view(4, 3).T, inputs, targets, 0.0), weights.T.reshape(-1)
    )
    assert torch.allclose(gauss_newton(inputs, (inputs @ weights).softmax(dim=1)), hessian, atol=1e-10)


def test_the_kronecker_product_is_exact_if_all_predictions_are_equal() -> None:
    inputs, _ = problem(20, 3, 4)
    probs = torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64).expand(20, 4)
    (a_D, vectors_D_D), (b_C, vectors_C_C) = kronecker_eigen(inputs, probs)
    first, second = vectors_D_D @ a_D.diag() @ vectors_D_D.T, vectors_C_C @ b_C.diag() @ vectors_C_C.T
    assert torch.allclose(torch.kron(second, first), gauss_newton(inputs, probs), atol=1e-10)


@pytest.mark.parametrize("full_weights", [1500, 0], ids=["full", "kronecker"])
def test_samples_have_the_mean_and_covariance_of_the_posterior(
    full_weights: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(laplace, "FULL_WEIGHTS", full_weights)
    inputs, targets = problem(25, 2, 3)
    posterior = fit_laplace(inputs, targets, precision=0.5)
    probs = (posterior.inputs_L_D @ posterior.mode_D_C).softmax(dim=1)
    matrix = gauss_newton(posterior.inputs_L_D, probs)
    if not full_weights:
        second = probs.mean(dim=0).diag() - probs.T @ probs / len(probs)
        matrix = torch.kron(second, posterior.inputs_L_D.T @ posterior.inputs_L_D)
    expected = torch.linalg.inv(matrix + 0.5 * torch.eye(len(matrix)))
    samples = posterior.sample(40_000, torch.Generator().manual_seed(0)).transpose(1, 2).flatten(1)
    assert (samples.mean(dim=0) - posterior.mode_D_C.T.flatten()).abs().max() < 0.03
    scale = expected.diagonal().sqrt()
    assert ((samples.T.cov() - expected) / (scale[:, None] * scale)).abs().max() < 0.04


def metropolis(inputs: Tensor, targets: Tensor, precision: float, posterior: LaplacePosterior, steps: int) -> Tensor:
    """Return a chain over the true posterior, with proposals from the Laplace posterior (independence sampler)."""
    generator = torch.Generator().manual_seed(3)
    shape = posterior.mode_D_C.shape
    probs = (posterior.inputs_L_D @ posterior.mode_D_C).softmax(dim=1)
    hessian = gauss_newton(posterior.inputs_L_D, probs) + precision * torch.eye(shape.numel())

    def log_ratio(weights: Tensor) -> float:
        """Return the logarithm of true posterior over proposal, up to a constant."""
        apart = (weights - posterior.mode_D_C).T.flatten()
        return float(-energy(weights, posterior.inputs_L_D, targets, precision) + apart @ hessian @ apart / 2)

    here, ratio, chain = posterior.mode_D_C, log_ratio(posterior.mode_D_C), []
    accepted = 0
    for proposed, uniform in zip(
        posterior.sample(steps, generator), torch.rand(steps, generator=generator), strict=True
    ):
        theirs = log_ratio(proposed)
        if math.log(max(uniform.item(), 1e-30)) < theirs - ratio:
            here, ratio = proposed, theirs
            accepted += 1
        chain.append(here)
    assert accepted > steps / 2
    return torch.stack(chain)


@pytest.mark.slow
def test_predictions_are_those_of_a_long_metropolis_chain() -> None:
    inputs, targets = problem(120, 2, 3)
    posterior = fit_laplace(inputs, targets, precision=1.0)
    chain = metropolis(inputs, targets, 1.0, posterior, 20_000)
    points = torch.cat(
        [torch.randn(200, 2, generator=torch.Generator().manual_seed(9)).double(), torch.ones(200, 1)], 1
    )
    exact = (points @ chain).softmax(dim=-1).mean(dim=0)
    found = (points @ posterior.sample(20_000, torch.Generator().manual_seed(4))).softmax(dim=-1).mean(dim=0)
    assert (found - exact).abs().max() < 0.02


def test_the_prior_precision_maximises_the_marginal_likelihood_of_the_laplace_approximation() -> None:
    inputs, targets = problem(80, 5, 4)

    def evidence(precision: float) -> float:
        fitted = fit_laplace(inputs, targets, precision)
        probs = (fitted.inputs_L_D @ fitted.mode_D_C).softmax(dim=1)
        (a_D, _), (b_C, _) = kronecker_eigen(fitted.inputs_L_D, probs)
        log_det = (a_D[:, None] * b_C + precision).log().sum().item()
        weights = fitted.mode_D_C.numel()
        mode = float(energy(fitted.mode_D_C, fitted.inputs_L_D, targets, precision))
        return -mode + weights / 2 * math.log(precision) - log_det / 2

    found = fit_laplace(inputs, targets).precision
    grid = [found * factor for factor in (0.2, 0.5, 1.0, 2.0, 5.0)]
    values = [evidence(precision) for precision in grid]
    assert max(values) == values[2]
    assert values[2] - max(values[1], values[3]) > 0.01


def test_more_labels_and_a_larger_prior_precision_narrow_the_posterior() -> None:
    few, many = (fit_laplace(*problem(size, 3, 3), precision=1.0) for size in (20, 2000))
    tight = fit_laplace(*problem(20, 3, 3), precision=100.0)

    def spread(posterior: LaplacePosterior) -> float:
        samples = posterior.sample(500, torch.Generator().manual_seed(0))
        apart = samples - samples.mean(dim=-1, keepdim=True)  # what predictions depend on
        return apart.std(dim=0).mean().item()

    spreads = [spread(each) for each in (few, many, tight)]
    assert spreads[1] < spreads[0] / 2
    assert spreads[2] < spreads[0] / 2
