"""From words to the region that they mean: phrases of an instruction, and where a picture shows them."""
