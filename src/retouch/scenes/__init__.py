"""Rooms as values, edits as functions on them, their language, and the renderer."""
