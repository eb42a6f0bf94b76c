"""The figures of the forgetting study, a file each."""
