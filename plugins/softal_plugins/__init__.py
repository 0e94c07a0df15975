"""The built-in plugins of softal-bench: one method, model or data set per file."""
