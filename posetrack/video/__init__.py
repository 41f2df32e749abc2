"""Video input and output: `source` opens files, streams and images, `writer` writes H.264 with sound."""
