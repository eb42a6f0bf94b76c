"""Charts of what single units of a network carry: pruning curves, compositions, directions, the plane."""
