"""The process that computes: its threads, and the global state that a plugin must leave as it found it."""
