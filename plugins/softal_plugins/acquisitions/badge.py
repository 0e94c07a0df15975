from dataclasses import dataclass

import torch
from torch import Tensor

from softal_bench.bayes.centres import kmeans_plus_plus
from softal_bench.bayes.information import mean_probs
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool
from softal_bench.contracts.acquisition import require_batch_fits


@dataclass(frozen=True)
class BADGE(AcquisitionFunction):
    """k-means++ seeding on gradient embeddings g_n = (p̄_n - onehot(argmax_c p̄_nc)) ⊗ h_n for point embeddings h_n.

    g_n is the gradient of the loss with respect to the weights of the last layer, if the label were the most probable
    class. The paper uses one network; here p̄_n is the mean over the K posterior samples, and h_n comes from the network
    without dropout. The N x C D matrix of all g_n is never computed, since g_n · g_m = (a_n · a_m)(h_n · h_m) with
    a_n = p̄_n - onehot(argmax_c p̄_nc).

    As in the authors' code, the first centre is the g_n with the largest norm. Each further centre is drawn, without
    replacement, with probability proportional to its squared distance from the nearest earlier centre (D² sampling);
    see `softal_bench.bayes.centres`. The scores are these distances, and the norm for the first point.
    """

    needs = frozenset({"embeddings"})
    stochastic = True
    citation = "Ash, Zhang, Krishnamurthy, Langford and Agarwal 2020, arXiv:1906.03671"
    cost = "O(N K C + B N (C + D)) time, O(N (C + D)) memory for embeddings of D dimensions"

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        require_batch_fits(pool, batch_size)
        residuals_N_C = torch.cat([_residuals(log_probs_n_K_C) for _, log_probs_n_K_C in pool.log_probs()])
        embeddings_N_D = pool.embeddings().double()
        squared_norms_N = residuals_N_C.square().sum(dim=1) * embeddings_N_D.square().sum(dim=1)

        def inner_products(position: int) -> Tensor:
            return (residuals_N_C @ residuals_N_C[position]).mul_(embeddings_N_D @ embeddings_N_D[position])

        positions_B, distances_B = kmeans_plus_plus(squared_norms_N, inner_products, batch_size, generator)
        return AcquiredBatch(positions_B, distances_B)


def _residuals(log_probs_n_K_C: Tensor) -> Tensor:
    """Return p̄_n - onehot(argmax_c p̄_nc), float64; if classes are equally probable, the first one counts."""
    probs_n_C = mean_probs(log_probs_n_K_C)
    most_probable_n_1 = probs_n_C.argmax(dim=1, keepdim=True)
    return probs_n_C.scatter_add_(1, most_probable_n_1, probs_n_C.new_full(most_probable_n_1.shape, -1.0))
