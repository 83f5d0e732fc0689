"""Segmenters of known models, one a file, and what makes one by its name."""
