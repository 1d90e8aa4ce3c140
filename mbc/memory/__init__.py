"""What must be in memory at which time: the model behind the memory plan and the report on it."""
