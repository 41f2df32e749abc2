"""Predictors: one network family each, pictures in, people in picture pixels out."""
