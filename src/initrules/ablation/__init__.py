"""Ablations: the same training with other rules, over the same seeds, and what of the difference is more than luck."""
