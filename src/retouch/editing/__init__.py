"""Edit images, whatever the model: a request in, a result out."""
