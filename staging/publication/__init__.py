"""Outputs: checked, uploaded unseen, made visible together."""
