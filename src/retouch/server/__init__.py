"""HTTP, persistence and jobs: a design tree that several people and programs share."""
