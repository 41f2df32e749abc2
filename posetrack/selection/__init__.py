"""Which people of a video are wanted: by number, place, size, score and id."""
