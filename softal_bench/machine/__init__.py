"""The process that computes: its device, threads, memory, files and clocks, and the global state that plugins share."""
