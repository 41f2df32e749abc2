"""Training data: readers of annotation files into arrays, crops, and augmentation."""
