"""Engines: one call, pictures in and named tensors out, whoever computes; the same numbers from each."""
