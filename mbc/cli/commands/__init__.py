"""One module a command; each has HELP, `configure(parser)` and `run(args) -> exit status`."""
