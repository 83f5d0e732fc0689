"""The process that holds models and makes pictures: it claims work, does it, and hands it in."""
