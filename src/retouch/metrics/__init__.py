"""Score images; every metric is versioned by its protocol."""
