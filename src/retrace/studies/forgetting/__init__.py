"""What quantization, pruning and LayerNorm removal make a classifier forget, and whom they hide."""
