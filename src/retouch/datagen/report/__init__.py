"""A page on a folder of pairs that opens anywhere: counts, scores, words, and pairs to look at."""
