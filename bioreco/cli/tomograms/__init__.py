"""Tomograms on the command line: refractive indices from holograms, scored and shown."""
