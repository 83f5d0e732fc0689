"""Phrases for what pictures show and do not show: from the rooms that records were rendered from, and photographs."""
