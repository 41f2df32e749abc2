"""Video in and video out."""
