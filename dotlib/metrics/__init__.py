"""Arrays in, numbers out: distances, scores and their intervals."""
