"""Works done side by side by this suite and by other implementations: their record, and its page."""
