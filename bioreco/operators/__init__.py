"""y = H(x) + w, Eq. (1): forward models as immutable values, and noise."""
