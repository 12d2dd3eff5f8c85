"""Particle images of single-particle cryo-EM: their files, their values, and simulated ones."""
