"""Measuring a pair or a sampler: judges, points, images, comparisons."""
