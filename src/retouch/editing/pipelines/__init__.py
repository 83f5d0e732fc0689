"""Editing pipelines of diffusers behind the one seam: a table of families, what asks them, what loads them."""
