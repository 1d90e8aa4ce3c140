"""The graph IR: types, channel views, the graph itself and its verifier."""
