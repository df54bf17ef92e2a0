"""What a number is: written once, with its origin, beside the print."""
