"""Executors: trials are computed in this process, in several processes of this machine, or on a Ray cluster.

In every case the process of the `Runner` alone writes journals, holds locks and reports progress. It sends a worker a
trial as plain data with the rounds that are done, and the worker answers with a message for each event. Journals are
therefore the same, apart from timings, whatever the executor.
"""
