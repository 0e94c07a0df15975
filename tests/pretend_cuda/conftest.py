"""The modules of the pretend device are installed by `run`; they are not tests."""

collect_ignore = ["python"]
