"""What runs: a trial (one condition, one seed), the runner that takes trials up, and their journals."""
