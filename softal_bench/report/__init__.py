"""From journals to a leaderboard: curves, statistics, tables, figures and pages. Only journals are read."""
