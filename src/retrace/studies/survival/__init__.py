"""Which outlives compression of a language model that was taught both: a refusal, or a backdoor?"""
