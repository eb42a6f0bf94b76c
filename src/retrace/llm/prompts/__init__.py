"""Prompts that are drawn: an instruction in two templates, voters, and how well an instruction works."""
