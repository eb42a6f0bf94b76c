"""Memory: does a memory addressed by the hidden state alone learn faster and cost less (ARMIN)?"""
