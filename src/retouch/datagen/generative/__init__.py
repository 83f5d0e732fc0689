"""Pairs made by text-to-image models out of triples, many tried and few kept."""
