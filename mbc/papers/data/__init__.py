"""One file a paper: what its tables print, and what of our pages is counted for each cell."""
