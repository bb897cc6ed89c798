"""The fast way from images to logits: nets composed from artifacts, kept ready under a byte budget."""
