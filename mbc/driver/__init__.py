"""The work of the commands without the command line: from files to artefacts or networks."""
