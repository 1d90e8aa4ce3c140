"""The pass manager: what a pass is, pipelines, and instruments around passes."""
