"""The zero-copy view planner: nodes read through channel views what moves would copy."""
