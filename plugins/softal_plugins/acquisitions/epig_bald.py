from dataclasses import dataclass

from torch import Tensor

from softal_bench.contracts import OneSampleScore, Pool

from .bald import BALD


@dataclass(frozen=True)
class EPIGBALD(OneSampleScore):
    """BALD under the model minus BALD under the evaluation posterior, in nats, in [-log C, log C].

    The evaluation posterior is a new copy of the model, distilled on the inputs of the labelled set and the pool. It
    represents the uncertainty about the weights that remains once the relevant predictions are known. The difference is
    therefore the information of a label about those predictions. It may be negative, since the distilled model is an
    estimate.
    """

    needs = frozenset({"evaluation"})
    least_samples = 2
    citation = "Kirsch et al. 2021, arXiv:2106.12059, first version"
    cost = (
        "O(N K C) time, O(N) memory, and the distillation: a pass over labelled set and pool for each epoch of training"
    )

    def scores(self, pool: Pool) -> Tensor:
        return BALD().scores(pool) - BALD().scores(pool.evaluation)
