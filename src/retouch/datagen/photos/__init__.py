"""Pairs by construction from any folder of photographs: looks, recolourings and patterns of the main object."""
