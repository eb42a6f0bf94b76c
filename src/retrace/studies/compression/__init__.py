"""What compression does to a language model's trust, beside its utility."""
