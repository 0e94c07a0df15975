"""The time that OpenMP threads spin while they wait for work. Importing this module loads no numerical library."""

import os

VARIABLE = "GOMP_SPINCOUNT"
SPIN_COUNT = "10000"
_CHOSEN_BY_USER = (VARIABLE, "OMP_WAIT_POLICY")


def bound_spinning() -> None:
    """Set `GOMP_SPINCOUNT`, unless the user has set it or `OMP_WAIT_POLICY`.

    The threads of GNU OpenMP, which PyTorch uses, spin between two parallel regions, by default for milliseconds. If
    the machine runs other numerical programs, they occupy cores that other threads need. A bounded spin ends soon, and
    still bridges the short gaps between the parallel regions of a program that does not share its cores.

    OpenMP reads the variable once, when it is loaded, so call this before torch or scikit-learn is imported. Processes
    started later inherit the variable.
    """
    if not any(os.environ.get(name) for name in _CHOSEN_BY_USER):
        os.environ[VARIABLE] = SPIN_COUNT
