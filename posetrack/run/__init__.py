"""A run as an object: a tracker that is loaded once, and one source into one folder of results."""
