"""What the figures in the documents come from: one measurement a file, each with the machine's data beside it."""
