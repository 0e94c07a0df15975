"""An estimator of I[Y_1..Y_B; Ω] that shares no code with either BatchBALD: plain Monte Carlo over label vectors."""

import math

import torch
from torch import Tensor


def joint_information(log_probs_B_K_C: Tensor, samples_a_mask: int, generator: torch.Generator) -> tuple[float, float]:
    """H[Y_1..Y_B] - sum_i E_w H[Y_i | w] of a batch, in nats, and its standard error.

    H is the mean of -log p(y), p(y) = mean_j prod_i p(y_i | w_j), over label vectors y drawn from p(y | w_k), equally
    many for each of the K masks; so the error is that of a mean over K strata. Costs O(K S K B) time, S draws a mask.

    Args:
        log_probs_B_K_C: the batch's log-probs, float64 or taken as such.
        samples_a_mask: S, at least 2.
        generator: a CPU generator.
    """
    log_probs_B_K_C = log_probs_B_K_C.double().cpu()
    num_masks = log_probs_B_K_C.shape[1]
    means, variances = [], []
    for k in range(num_masks):
        labels_B_S = torch.multinomial(log_probs_B_K_C[:, k].exp(), samples_a_mask, True, generator=generator)
        joint_K_S = torch.zeros(num_masks, samples_a_mask, dtype=torch.float64)
        for log_probs_K_C, labels_S in zip(log_probs_B_K_C, labels_B_S, strict=True):
            joint_K_S += log_probs_K_C[:, labels_S]
        surprise_S = math.log(num_masks) - joint_K_S.logsumexp(dim=0)
        means.append(surprise_S.mean())
        variances.append(surprise_S.var() / samples_a_mask)
    conditional = -(log_probs_B_K_C.exp() * log_probs_B_K_C.clamp_min(-1e300)).sum() / num_masks
    error = torch.stack(variances).sum().sqrt() / num_masks
    return float(torch.stack(means).mean() - conditional), float(error)
