"""Video in and video out: `source` opens what can be read, `writer` writes H.264 with the sound."""
