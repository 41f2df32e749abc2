"""Training, for every family: the loop, optimisers, several processes, checkpoints and logs."""
