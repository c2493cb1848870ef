"""What works on the past of a market: downloads of its history. Nothing here trades."""
