"""Retouch edits images with diffusion models: by instruction, by example and by region."""

__version__ = "0.1.0"
