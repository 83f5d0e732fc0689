"""Chat models behind one seam: an endpoint that speaks OpenAI's chat completions, or a model on this machine."""
