"""Fine-tuning a language model: chosen entries of its weights, or adapters of many runs at once."""
