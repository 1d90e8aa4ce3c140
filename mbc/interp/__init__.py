"""The numpy oracle: one plain function per op, the truth that everything is compared with."""
