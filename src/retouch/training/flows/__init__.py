"""Editing pipelines whose transformer flows from noise to a picture beside the source's tokens: what trains a LoRA."""
