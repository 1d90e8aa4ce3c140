"""What is known of a network at every stage of its compilation, as data."""
