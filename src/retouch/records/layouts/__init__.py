"""Pairs in the layouts that other tools read and write: a row is what a layout says of one pair."""
