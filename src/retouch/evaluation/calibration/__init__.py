"""Find the guidance and the steps that suit a model, on one half of the cases, and hold them to the other."""
