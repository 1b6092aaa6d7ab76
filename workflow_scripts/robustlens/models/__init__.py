"""Networks: architectures, checkpoints, training, attacks."""
