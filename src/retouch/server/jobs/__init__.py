"""The queue: work is claimed by workers under a lease, and ends exactly once."""
