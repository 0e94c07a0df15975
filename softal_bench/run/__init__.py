"""Running jobs: the runner, executors, deadlines, retries and forecasts."""
