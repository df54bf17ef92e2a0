"""Quality against cost, the 2-D pairs under every sampler."""

STEPS = (
    ("sample", "25gaussians-wgan-gp"),
    ("oracle", "25gaussians-wgan-gp"),
    ("sample", "swissroll-wgan-gp"),
    ("oracle", "swissroll-wgan-gp"),
)
