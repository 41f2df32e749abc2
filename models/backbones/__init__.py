"""Backbones: feature pyramids from pictures, shared by the families."""
