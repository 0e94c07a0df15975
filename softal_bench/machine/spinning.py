"""How long a thread of OpenMP spins while it waits for work. Importing this module loads no library that computes."""

import os

VARIABLE = "GOMP_SPINCOUNT"
SPIN_COUNT = "10000"
_CHOSEN_BY_USER = (VARIABLE, "OMP_WAIT_POLICY")


def bound_spinning() -> None:
    """Set `GOMP_SPINCOUNT`, unless the user has set it or `OMP_WAIT_POLICY`.

    GNU OpenMP's threads, PyTorch's among them, spin between two parallel regions, by default for milliseconds. On a
    machine that runs other numerical programs they then keep the cores from the threads that have work. A bounded spin
    ends soon, and still bridges the short gaps between the parallel regions of a program that has the cores to itself.

    OpenMP reads the variable once, when it is loaded: call this before torch or scikit-learn is imported. Processes
    started later inherit it.
    """
    if not any(os.environ.get(name) for name in _CHOSEN_BY_USER):
        os.environ[VARIABLE] = SPIN_COUNT
