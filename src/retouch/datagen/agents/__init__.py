"""Agents: chat models that write triples about a domain, and the rules their answers have to keep."""
