"""Statistics of results: learning curves, labels to a target, rankings, growth of cost."""
