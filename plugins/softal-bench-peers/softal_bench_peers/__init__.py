"""Acquisition functions of other libraries as plugins of softal-bench, for side-by-side runs.

Each class calls its library through its public functions and says where that differs from the paper's definition. The
libraries are imported where they are used, so that listing plugins stays light.
"""
