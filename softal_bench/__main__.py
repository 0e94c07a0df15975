"""`python -m softal_bench` is `softal-bench`."""

from softal_bench.cli import main

if __name__ == "__main__":  # the processes of a cost suite import this module again under another name
    main()
