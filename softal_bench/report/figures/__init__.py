"""Figures of results, drawn with matplotlib."""

import os

# Matplotlib refuses to be imported with an unknown backend in the environment, and figures here need none.
_backend = os.environ.pop("MPLBACKEND", None)
import matplotlib  # noqa: E402, F401

if _backend is not None:
    os.environ["MPLBACKEND"] = _backend
