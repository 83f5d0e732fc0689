"""Fit the networks: one trainer, one file per kind of training."""
