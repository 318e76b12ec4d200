"""Pages about a model and the pictures that it was judged on: charts, error analysis, the explorer of mistakes."""
