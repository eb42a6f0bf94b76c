"""Complete verification: branch and bound in one queue over all images and classes."""
