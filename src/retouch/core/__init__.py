"""Images and fits, requests, seeds and errors: everything below the networks, without torch."""
