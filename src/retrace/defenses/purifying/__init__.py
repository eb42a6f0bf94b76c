"""Take a backdoor out of a language model: which channels carry it, and what to do with these."""
