"""Evidence on disk and its store: read, written, indexed, audited, pulled, published."""
