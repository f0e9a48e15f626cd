"""The runner: one process a batch. It owns Terraform, the local state file, the log; light to import."""
