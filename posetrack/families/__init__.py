"""Families of networks: one module each, holding one literal record."""
