"""Contenders of `bench/edit.py`, each run in a process of its own."""
