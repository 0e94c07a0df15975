"""`python -m softal_bench` is `softal-bench`."""

from softal_bench.cli import main

main()
