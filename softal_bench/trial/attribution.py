"""The attribution of failures to plugins, and how an attempt ends after a failure.

Every call into a plugin runs inside `attributed_to`, which converts any error of the plugin to an error that names the
plugin. Acquisition functions also call the model, so `AttributedModel` wraps a fitted model, and its failures name the
model wherever they occur. It also checks that predictions are log-probs.
"""

import os
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from softal_bench.contracts import BayesianModel, FittedModel, Posterior, TrainingRegime
from softal_bench.errors import GlobalStateError, PredictionError, SoftalError, first_line, message_of
from softal_bench.journal.lines import Ending, Status
from softal_bench.machine.device import context_is_lost
from softal_bench.machine.isolation import unchanged
from softal_bench.machine.settings import FREQUENT, SETTINGS, Setting
from softal_bench.registry import Plugin

# The largest allowed |sum_c p_c - 1|, which is |log sum_c p_c| to first order. A log-softmax in float32 over 1000
# classes stays below 1e-5. A log-softmax in half precision, or a mean of log-probs that is not renormalised, may
# exceed 1e-3.
TOLERANCE = 1e-3


class Ended(Exception):
    """An attempt ended before it was done.

    Attributes:
        status: the status in the journal's last line.
        details: a traceback from another process, or None.
    """

    def __init__(self, status: Ending, message: str, details: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.details = details


class TimedOut(BaseException):
    """A time limit has passed. Not an Exception, so that a plugin that catches every Exception does not catch it."""


class Died(Exception):
    """The process that computed an attempt died without reporting an error. The message says how.

    Attributes:
        lost: whether its machine, or the process that supervised it, was lost; the job is then not the cause.
    """

    def __init__(self, message: str, lost: bool = False) -> None:
        super().__init__(message)
        self.lost = lost


class PluginFailed(Ended):
    """A plugin raised an error, which is chained as the cause."""

    def __init__(self, message: str) -> None:
        super().__init__(Status.FAILED, message)


@contextmanager
def attributed_to(noun: str, plugin: Plugin[Any], settings: Sequence[Setting] = SETTINGS) -> Iterator[None]:
    """Attribute errors of the body to a plugin.

    Global state that the plugin changes is restored, and the change counts as a failure.

    Args:
        noun, plugin: the kind and the plugin that messages name.
        settings: the global state that is compared. Use `FREQUENT`, a part of it, for frequent calls.

    Raises:
        PluginFailed: if the body raises, or changes global state.
        MemoryError: if memory runs out.
    """
    try:
        with unchanged(settings), _exit_raises():
            yield
    except Ended:
        raise  # the error already names its plugin
    except GlobalStateError as error:
        raise PluginFailed(f"{noun} {plugin.label!r} {error}") from error
    except PredictionError as error:
        raise PluginFailed(str(error)) from error  # the error names the model, even inside an acquisition function
    except SoftalError as error:
        raise PluginFailed(f"{noun} {plugin.label!r}: {error}") from error
    except (KeyboardInterrupt, TimedOut):
        raise
    except BaseException as error:
        if is_out_of_memory(error):
            raise MemoryError(f"{noun} {plugin.label!r}: {first_line(error)}") from error
        raise PluginFailed(f"{noun} {plugin.label!r} raised {type(error).__name__}: {message_of(error)}") from error


@contextmanager
def _exit_raises() -> Iterator[None]:
    """Make `os._exit` raise SystemExit in this process, because exiting would end the run. Forks still exit."""
    exit_now, process = os._exit, os.getpid()

    def exit_(status: int) -> None:
        if os.getpid() != process:
            exit_now(status)
        raise SystemExit(f"os._exit({status})")

    os._exit = exit_  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = exit_now


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out: in Python, on a device, or in torch's CPU allocator, which raises RuntimeError."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def ending_of(error: Exception) -> tuple[Ending, str, str | None] | None:
    """Return (status, message, details) of an attempt that raised this error, or None if the harness is at fault."""
    if not isinstance(error, Ended) and not is_out_of_memory(error):
        hidden = error.__context__  # after a device failed, restoring its state raises another error
        return ending_of(hidden) if isinstance(hidden, Exception) and context_is_lost() else None
    status = error.status if isinstance(error, Ended) else Status.OUT_OF_MEMORY
    return status, message_of(error), details_of(error)


def details_of(error: BaseException) -> str | None:
    """Return the traceback of a plugin's error, for the journal, or None if no plugin raised an error."""
    if isinstance(error, Ended) and error.details:
        return error.details
    return "".join(traceback.format_exception(error)) if error.__cause__ else None  # works with a broken `__str__`


class AttributedModel(FittedModel):
    """A fitted model whose failures are attributed to its plugin, wherever it is called."""

    def __init__(self, fitted: FittedModel, plugin: Plugin[BayesianModel]) -> None:
        self.epochs = fitted.epochs
        self.best_epoch = fitted.best_epoch
        self.stochastic_posterior = fitted.stochastic_posterior
        self._fitted = fitted
        self._plugin = plugin

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        with attributed_to("model", self._plugin):
            return _AttributedPosterior(self._fitted.posterior(num_samples, generator), self._plugin)

    def embeddings(self, inputs: Tensor) -> Tensor:
        with attributed_to("model", self._plugin, FREQUENT):
            return self._fitted.embeddings(inputs)

    def distil(
        self,
        inputs: Tensor,
        target_log_probs_N_C: Tensor,
        epochs: int,
        training: TrainingRegime,
        generator: torch.Generator,
    ) -> FittedModel:
        with attributed_to("model", self._plugin):
            distilled = self._fitted.distil(inputs, target_log_probs_N_C, epochs, training, generator)
            return AttributedModel(distilled, self._plugin)


class _AttributedPosterior(Posterior):
    def __init__(self, posterior: Posterior, plugin: Plugin[BayesianModel]) -> None:
        self._posterior = posterior
        self._plugin = plugin

    @property
    def num_samples(self) -> int:
        return self._posterior.num_samples

    def log_probs(self, inputs: Tensor) -> Tensor:
        with attributed_to("model", self._plugin, FREQUENT):
            log_probs_n_K_C = self._posterior.log_probs(inputs)
        require_log_probs(log_probs_n_K_C, f"model {self._plugin.label!r}")
        return log_probs_n_K_C

    def head(self, embeddings_n_D: Tensor) -> Tensor:
        with attributed_to("model", self._plugin, FREQUENT):
            log_probs_n_K_C = self._posterior.head(embeddings_n_D)
        require_log_probs(log_probs_n_K_C, f"the head of model {self._plugin.label!r}")
        return log_probs_n_K_C


def require_log_probs(log_probs_n_K_C: object, model: str) -> None:
    """Raise PredictionError unless sum_c exp(log_probs_nkc) is 1 within TOLERANCE for every point and sample.

    The check also finds NaN and log-probs above 0, since a single one makes the sum NaN or too large. Log-probs of -inf
    are allowed. The sums are computed in the dtype of the log-probs; float32 is exact enough. The check costs one
    exponential for each log-prob, and one synchronisation on a GPU.

    Args:
        log_probs_n_K_C: the return value of `Posterior.log_probs`.
        model: the model's name in messages. Positions in messages are positions in the chunk (see `NumericalError.at`).
    """
    if not isinstance(log_probs_n_K_C, Tensor) or log_probs_n_K_C.ndim != 3:
        got = f"shape {tuple(log_probs_n_K_C.shape)}" if isinstance(log_probs_n_K_C, Tensor) else f"{log_probs_n_K_C!r}"
        raise PredictionError(model, f"predicted {got}; log_probs must return a tensor of shape [n, K, C]")
    deviation_n_K = log_probs_n_K_C.detach().exp().sum(dim=-1).sub_(1).abs_()
    sound_n_K = deviation_n_K <= TOLERANCE  # False for NaN
    if not bool(sound_n_K.all()):
        position, sample = (~sound_n_K).nonzero()[0].tolist()
        log_probs_C = log_probs_n_K_C[position, sample].detach().double()
        raise PredictionError(f"{model}: the prediction", _prediction_problem(log_probs_C, sample), position)


def _prediction_problem(log_probs_C: Tensor, sample: int) -> str:
    where = f"under posterior sample {sample}"
    if bool(log_probs_C.isnan().any()):
        return f"{where} is NaN for class {int(log_probs_C.isnan().nonzero()[0, 0])}; log-probs must be numbers"
    largest = log_probs_C.max().item()
    above = f" (the largest log-prob is {largest:.4g}, above 0)" if largest > TOLERANCE else ""
    total = torch.logsumexp(log_probs_C, dim=0).item()
    return (
        f"{where} has log-probs whose log-sum-exp is {total:.4g}{above}; it must be 0 to within {TOLERANCE:g}, so "
        "return `log_softmax` over the classes"
    )
