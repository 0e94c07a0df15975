"""How many times as many kills and damaged files the tests try as usual: `make endurance` sets it to 5."""

import os

EFFORT = int(os.environ.get("SOFTAL_TEST_EFFORT", "1"))
