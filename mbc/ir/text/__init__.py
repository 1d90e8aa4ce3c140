"""The IR as text: prints and parses back."""
