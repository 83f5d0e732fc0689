"""Engines that make pairs of images with their instruction, and the runner that writes them as records."""
