"""Training for all families: the loop, optimisers, distributed training, checkpoints and logs."""
