"""A new study that runs as it is: `retrace new-study NAME` copies `study/`, to be filled with science."""
