"""Quality against cost, an image pair under every sampler."""

STEPS = (("score", "digits-dcgan-sagan-ns"), ("sample", "digits-dcgan-sagan-ns"))
