"""Hooks for training frameworks and experiment trackers: each imports its package, the core imports none of them."""
