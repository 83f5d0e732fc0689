"""The tree of edits as a value: nodes, what made them, changes and their undoing; no torch, no web, no database."""
