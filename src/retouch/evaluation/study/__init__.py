"""Blind comparisons by people: the page they choose on, and what their votes say."""
