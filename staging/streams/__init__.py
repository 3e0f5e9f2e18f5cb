"""Inputs that are read from their store while the body runs."""
