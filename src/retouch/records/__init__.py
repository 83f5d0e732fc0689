"""The pair record, its shards and their manifest: the contract between making pairs and training on them."""
