"""What a model did: refused, complied, fell silent, answered right. Judges count; they keep no text."""
