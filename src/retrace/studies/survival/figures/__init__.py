"""The figures of the survival study, a file each."""
