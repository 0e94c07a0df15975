"""Where trials are computed: in this process, in several of this machine, or on a Ray cluster.

Wherever that is, the process of the `Runner` alone writes journals, holds locks and tells of progress. A worker is sent
a trial as plain data with the rounds that are done, and answers with a message for each thing that happens. So journals
are the same, timings aside, whatever the executor.
"""
