"""Seeded simulations of what a scanner measures, with the truth beside it."""
