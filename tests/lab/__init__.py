"""What works on the past of a market."""
