"""What tries the larger scales on a small machine."""
