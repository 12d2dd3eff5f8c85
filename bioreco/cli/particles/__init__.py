"""Particles on the command line: learn a volume from them, score and show it."""
