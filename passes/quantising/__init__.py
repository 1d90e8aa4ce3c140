"""From a float graph to one on codes: what each op becomes, and which values share a scale."""
