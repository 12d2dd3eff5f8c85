"""Numbers about images: fidelity, noise, resolution."""
