"""What the projection of Algorithm 2 does to the latents."""

STEPS = (("score", "digits-*"),)
