"""`python -m softal_bench.conformance.timing FOLDER`: renew the baseline of the benchmarks in a folder."""

from softal_bench.conformance.timing.renew import renew

if __name__ == "__main__":
    renew()
