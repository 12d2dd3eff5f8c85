"""Holograms of a transparent object from many sides: values, files, checks."""
