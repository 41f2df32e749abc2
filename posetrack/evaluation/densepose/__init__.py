"""Evaluation of dense poses: geodesic point similarity and mask IoU, as DensePose's own tool computes them."""
