"""From what a user gives (a text, a picture) to the branches the loop predicts."""
