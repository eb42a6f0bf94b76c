"""What is generated from the models: JSON schemas, default config, reference pages."""
