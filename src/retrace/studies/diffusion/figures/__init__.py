"""The figures of the diffusion study."""
