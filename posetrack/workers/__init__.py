"""Many videos, or one long one, over several workers: processes of this machine, or a Ray cluster."""
