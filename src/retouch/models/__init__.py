"""Checkpoints of the diffusion family: what they are, how they are loaded, converted, checked and saved."""
