"""Measure editors on records that know the answer."""
