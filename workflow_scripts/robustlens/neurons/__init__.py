"""Statistics of hidden units: one file a statistic."""
