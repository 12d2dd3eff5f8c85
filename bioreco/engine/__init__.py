"""The one loop that trains every method, and the tiled inference that applies it."""
