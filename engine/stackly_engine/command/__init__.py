"""The command's shell: the one place of the engine that reads files and starts processes."""
