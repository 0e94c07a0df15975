"""Executors: trials are computed in this process, in several processes of this machine, or on a Ray cluster.

With every executor, only the process of the `Runner` writes journals, holds locks and reports progress. It sends a
worker a trial as plain data with the rounds that are done, and the worker answers with a message for each event.
Journals therefore do not depend on the executor, except for their timings.
"""
