"""Training data: annotation files as columns of arrays, crops, and augmentation."""
