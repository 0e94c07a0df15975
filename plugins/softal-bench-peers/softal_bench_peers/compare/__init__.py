"""This suite and other implementations side by side: `python -m softal_bench_peers.compare`.

Each work does the same on the same inputs by both, in turn in one run, and compares the answers; see `pairs`.
"""

import os

os.environ.setdefault("TQDM_DISABLE", "1")  # the peers' progress bars cost time; read when tqdm is first imported
