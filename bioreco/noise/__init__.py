"""p(y | s), the probability of a measurement given the signal: noise models."""
