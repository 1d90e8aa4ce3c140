"""What the commands do, without the command line: files in, artefacts or networks out."""
