"""Pages of the leaderboard, in Markdown."""
