"""DensePose: which point of the body's surface every pixel of a person shows."""
