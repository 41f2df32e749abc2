"""Predictors: one network family each, images in, people in image pixels out."""
