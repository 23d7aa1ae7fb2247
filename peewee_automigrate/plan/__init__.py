"""A difference -> a plan: questions about data, defaults, steps in the order of the graph."""
