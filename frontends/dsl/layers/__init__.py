"""The layers of the DSL, by kind; `Net` (../net.py) inherits them all."""
