"""The layernorm study's figures."""
