"""What runs: a trial (one condition, one seed), the runner that takes trials up, and the journal they are written to."""
