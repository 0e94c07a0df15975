"""The factor by which tests try more kills and damaged files than usual: `make endurance` sets it to 5."""

import os

EFFORT = int(os.environ.get("SOFTAL_TEST_EFFORT", "1"))
