"""What quantising a network takes: the ranges of its values, and the scales that follow."""
