"""A condition of a cost suite: one selection of B points from N stored ones, under K posterior samples, is measured."""

from pydantic import BaseModel, Field

from softal_bench.errors import SuiteError
from softal_bench.suite.condition import STRICT, AnyCondition
from softal_bench.suite.sources import Source, SyntheticSource


class Measurement(BaseModel):
    """How many samples a measurement has: n = min(max_samples, max(1, floor(max_seconds / first))).

    `first` is the seconds of the warm-up, so n is decided before any sample is taken, whatever their spread.
    """

    model_config = STRICT

    min_samples: int = Field(
        5, ge=2, description="Show ranges of ratios only for cells with at least this many samples."
    )
    max_samples: int = Field(30, ge=2, description="Samples at most.")
    max_seconds: float = Field(
        1.0,
        gt=0,
        le=86_400,
        description="Time budget: the number of samples is this divided by the seconds of the warm-up, at least one.",
    )


class Limits(BaseModel):
    """What a cell may use before it is ended and recorded as `timeout` or `out_of_memory`."""

    model_config = STRICT

    cell_seconds: float = Field(20.0, gt=0, le=86_400, description="Seconds of a cell, warm-up included, loading not.")
    memory_gib: float = Field(
        8.0, gt=0, le=65_536, description="Memory of a cell beyond its log-probs, GiB; on a CPU only."
    )


class CostCondition(AnyCondition):
    """One cell: the acquisition function chooses B of N points; seconds and peak memory are measured."""

    pool_size: int = Field(ge=1, description="Points N of the pool.")
    source: Source = Field(SyntheticSource(), description="Where the log-probs come from: synthetic, or trained.")
    measurement: Measurement = Field(Measurement(), description="How many samples a measurement has.")
    limits: Limits = Field(Limits(), description="What a cell may use.")

    def require_sound(self) -> None:
        if self.pool_size < self.batch_size:
            raise SuiteError(f"pool_size: N = {self.pool_size} is below batch_size B = {self.batch_size}")
        if self.posterior_samples < 2:
            raise SuiteError(f"posterior_samples: K is {self.posterior_samples}; a cost suite needs at least 2")
        super().require_sound()
        needs = self.acquisition.instance.needs
        if needs:
            raise SuiteError(
                f"acquisition: {self.acquisition.label} needs {', '.join(sorted(needs))}, which the source "
                f"{self.source.label} does not have; a cost suite measures from log-probs alone"
            )

    def sweep(self) -> str:
        """The same for cells that differ in B alone."""
        return self.model_copy(update={"batch_size": 0}).key(0)
