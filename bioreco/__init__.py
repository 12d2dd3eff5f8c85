"""Clean biological images from noisy or incomplete measurements, without clean references."""

__version__ = "0.1.0"
