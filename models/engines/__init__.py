"""Engines: one call, images in and named tensors out, whoever computes; the same numbers from each."""
