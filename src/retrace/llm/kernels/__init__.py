"""Fast ways through a language model, each equal to the direct one."""
