"""profiles"""

PROFILES = ("smoke", "laptop", "paper")
