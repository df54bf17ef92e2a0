"""Ways to draw from a pair (G, D), behind one call with counted costs."""
