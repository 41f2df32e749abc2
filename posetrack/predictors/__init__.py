"""Predictors: from images to people in image pixels, one module per family of networks."""
