"""Training of diffusion models: from nothing, on, privately, and by adapters of many domains at once."""
