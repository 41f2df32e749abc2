"""Backbones: feature pyramids from images, shared by the families."""
