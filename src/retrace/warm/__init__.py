"""Jobs that start at once: the run's own server forks them from a process that has their packages loaded."""
