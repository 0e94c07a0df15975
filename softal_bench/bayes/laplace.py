"""Bayesian multinomial logistic regression with a Gaussian (Laplace) posterior.

For L examples with inputs x_l (the last of its D entries is 1, for the bias) and target probabilities t_l, the weights
W [D, C] have the prior N(0, I / λ). The mode of the posterior minimises the convex

    E(W) = -sum_lc t_lc log p_c(x_l; W) + λ/2 ||W||²,    p(x; W) = softmax(Wᵀ x).

The Hessian of its first term is the generalised Gauss-Newton matrix, which is exact here,

    G = sum_l (diag p_l - p_l p_lᵀ) ⊗ x_l x_lᵀ.

The Laplace posterior is N(W*, (G + λ I)⁻¹). With many weights, G is approximated by one Kronecker product, B ⊗ A with
A = sum_l x_l x_lᵀ and B = mean_l (diag p_l - p_l p_lᵀ), whose eigenvectors are those of A and B.

The prior precision λ maximises the marginal likelihood of the Laplace approximation with the Kronecker product,

    log p(t | λ) = -E(W*) + DC/2 log λ - 1/2 sum_ij log(a_i b_j + λ),    a, b the eigenvalues of A and B.

Source: MacKay 1992, "The Evidence Framework Applied to Classification Networks"; Ritter, Botev and Barber 2018, "A
Scalable Laplace Approximation for Neural Networks"; Immer et al. 2021, arXiv:2104.04975.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from torch import Tensor

FULL_WEIGHTS = 1500  # up to so many weights, the posterior has a full covariance matrix
_LEAST, _MOST = 1e-4, 1e6  # the range of the prior precision
_STEPS, _NEAR = 20, 0.2  # of the fixed point: the most steps, and the change of log λ that is small enough
_AROUND, _TOLERANCE = 1.5, 0.01  # of the search: how far log λ may be from the fixed point, and the error of log λ
_GRADIENT = 1e-6  # the largest entry of the gradient at the mode, for each example

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LaplacePosterior:
    """The Gaussian posterior of the weights.

    Attributes:
        mode_D_C: the mode of the posterior, float64.
        precision: the prior precision λ.
        inputs_L_D: the inputs that it was fitted to, with a last column of ones.
    """

    mode_D_C: Tensor
    precision: float
    inputs_L_D: Tensor

    def sample(self, num_samples: int, generator: torch.Generator) -> Tensor:
        """Draw weights_K_D_C, float64, with a CPU generator.

        Costs O((DC)³) time at the first call with a full covariance matrix and O(K (DC)²) after that; with a Kronecker
        product, O(D³ + C³) at the first call and O(K D C (D + C)).
        """
        num_inputs, num_classes = self.mode_D_C.shape
        noise_K_D_C = torch.randn(num_samples, num_inputs, num_classes, dtype=torch.float64, generator=generator)
        if num_inputs * num_classes <= FULL_WEIGHTS:
            noise = noise_K_D_C.transpose(1, 2).reshape(num_samples, -1).T  # weights in the order of G, class by class
            steps: Tensor = torch.linalg.solve_triangular(self._cholesky.T, noise, upper=True).T
            return self.mode_D_C + steps.view(num_samples, num_classes, num_inputs).transpose(1, 2)
        (a_D, vectors_D_D), (b_C, vectors_C_C) = self._kronecker
        scale_D_C = (a_D[:, None] * b_C + self.precision).rsqrt()
        # The symmetric root does not depend on the signs of eigenvectors, which differ between processors.
        rotated_K_D_C = vectors_D_D.T @ noise_K_D_C @ vectors_C_C
        return self.mode_D_C + vectors_D_D @ (rotated_K_D_C * scale_D_C) @ vectors_C_C.T

    @functools.cached_property
    def _probs_L_C(self) -> Tensor:
        return (self.inputs_L_D @ self.mode_D_C).softmax(dim=1)

    @functools.cached_property
    def _cholesky(self) -> Tensor:
        """The lower factor of G + λ I. An evaluation may sample many times."""
        hessian = gauss_newton(self.inputs_L_D, self._probs_L_C)
        hessian.diagonal().add_(self.precision)
        factor: Tensor = torch.linalg.cholesky(hessian)
        return factor

    @functools.cached_property
    def _kronecker(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        return kronecker_eigen(self.inputs_L_D, self._probs_L_C)


def fit_laplace(inputs_L_D: Tensor, targets_L_C: Tensor, precision: float | None = None) -> LaplacePosterior:
    """Fit the posterior. The prior precision maximises the marginal likelihood unless it is given.

    Args:
        inputs_L_D: inputs on any device, without the column of ones, which is added here.
        targets_L_C: target probabilities; one-hot for labels.
        precision: the prior precision λ.

    The search begins with MacKay's fixed point λ = γ / ||W*||², γ = sum_ij a_i b_j / (a_i b_j + λ), which ignores that
    B depends on λ. Brent's method then maximises the marginal likelihood near it. Each step fits the mode again,
    starting from the last one.
    """
    ones = inputs_L_D.new_ones(len(inputs_L_D), 1)
    inputs = torch.cat([inputs_L_D, ones], dim=1).double().cpu()
    targets = targets_L_C.double().cpu()
    mode = torch.zeros(inputs.shape[1], targets.shape[1], dtype=torch.float64)
    if precision is not None:
        return LaplacePosterior(_mode(inputs, targets, precision, mode), precision, inputs)
    evidence = _Evidence(inputs, targets, mode)
    precision = 1.0
    for _ in range(_STEPS):
        before, precision = precision, min(_MOST, max(_LEAST, evidence.fixed_point(precision)))
        if abs(math.log(precision / before)) < _NEAR:
            break
    near = (math.log(precision) - _AROUND, math.log(precision) + _AROUND)
    options = {"xatol": _TOLERANCE}
    found = minimize_scalar(lambda log: -evidence.at(math.exp(log)), bounds=near, method="bounded", options=options)
    precision = math.exp(found.x)
    return LaplacePosterior(_mode(inputs, targets, precision, evidence.mode), precision, inputs)


class _Evidence:
    """The marginal likelihood of the prior precision, with the mode of its last evaluation."""

    def __init__(self, inputs_L_D: Tensor, targets_L_C: Tensor, mode_D_C: Tensor) -> None:
        self.mode = mode_D_C
        self._inputs, self._targets = inputs_L_D, targets_L_C
        self._a_D = torch.linalg.eigvalsh(inputs_L_D.T @ inputs_L_D).clamp(min=0)

    def at(self, precision: float) -> float:
        """Return log p(t | λ)."""
        determined_D_C = self._fit(precision)
        log_probs_L_C = (self._inputs @ self.mode).log_softmax(dim=1)
        log_joint = (self._targets * log_probs_L_C).sum() - precision / 2 * self.mode.square().sum()
        occam = (determined_D_C / precision).log1p().sum() / 2
        return float(log_joint - occam)

    def fixed_point(self, precision: float) -> float:
        """Return γ / ||W*||²."""
        determined_D_C = self._fit(precision)
        effective = (determined_D_C / (determined_D_C + precision)).sum().item()
        return float(effective / max(self.mode.square().sum().item(), 1e-300))

    def _fit(self, precision: float) -> Tensor:
        """Fit the mode; return a_i b_j, the eigenvalues of G."""
        self.mode = _mode(self._inputs, self._targets, precision, self.mode)
        b_C: Tensor = torch.linalg.eigvalsh(_label_covariance((self._inputs @ self.mode).softmax(dim=1)))
        determined_D_C: Tensor = self._a_D[:, None] * b_C.clamp(min=0)
        return determined_D_C


def _mode(inputs_L_D: Tensor, targets_L_C: Tensor, precision: float, start_D_C: Tensor) -> Tensor:
    """Return the mode of the posterior by L-BFGS, from a start."""
    inputs, targets, shape = inputs_L_D.numpy(), targets_L_C.numpy(), tuple(start_D_C.shape)

    def energy(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(shape)
        logits = inputs @ weights
        logits -= logits.max(axis=1, keepdims=True)
        probs = np.exp(logits)
        totals = probs.sum(axis=1, keepdims=True)
        loss = np.vdot(targets.sum(axis=1), np.log(totals[:, 0])) - np.vdot(targets, logits)
        probs *= targets.sum(axis=1, keepdims=True) / totals
        gradient = inputs.T @ (probs - targets) + precision * weights
        return float(loss + precision / 2 * np.vdot(weights, weights)), gradient.ravel()

    options = {"maxiter": 500, "maxcor": 20, "gtol": _GRADIENT * len(inputs), "ftol": 0.0}
    found = minimize(energy, start_D_C.numpy().ravel(), jac=True, method="L-BFGS-B", options=options)
    return torch.from_numpy(found.x.reshape(shape))


def gauss_newton(inputs_L_D: Tensor, probs_L_C: Tensor) -> Tensor:
    """Return G [CD, CD], the Hessian of the negative log-likelihood, with the weights of a class next to each other.

    Costs O(L C² D²) time.
    """
    num_classes, num_inputs = probs_L_C.shape[1], inputs_L_D.shape[1]
    weighted_L_CD = (probs_L_C[:, :, None] * inputs_L_D[:, None, :]).flatten(1)
    matrix = -(weighted_L_CD.T @ weighted_L_CD)
    blocks = matrix.view(num_classes, num_inputs, num_classes, num_inputs)
    for label in range(num_classes):
        blocks[label, :, label] += (inputs_L_D * probs_L_C[:, label : label + 1]).T @ inputs_L_D
    return matrix


def kronecker_eigen(inputs_L_D: Tensor, probs_L_C: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return the eigenvalues, at least 0, and eigenvectors of A and of B, for G = B ⊗ A."""
    a_D, vectors_D_D = torch.linalg.eigh(inputs_L_D.T @ inputs_L_D)
    b_C, vectors_C_C = torch.linalg.eigh(_label_covariance(probs_L_C))
    return (a_D.clamp(min=0), vectors_D_D), (b_C.clamp(min=0), vectors_C_C)


def _label_covariance(probs_L_C: Tensor) -> Tensor:
    """Return B, mean_l (diag p_l - p_l p_lᵀ)."""
    return probs_L_C.mean(dim=0).diag() - probs_L_C.T @ probs_L_C / len(probs_L_C)
