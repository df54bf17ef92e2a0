"""Data sets: 2-D toys, images, the readers of official files, downloads."""
