"""The stages after the passes, one module for each way to run a network."""
