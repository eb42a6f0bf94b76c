"""Backdoors of language models: triggers put into texts, what they set off, and rows that teach both."""
