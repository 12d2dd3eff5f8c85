"""k-space on the command line: learn from scans, reconstruct and score them."""
