"""Settings, objectives, the loop, and trained pairs by name."""
