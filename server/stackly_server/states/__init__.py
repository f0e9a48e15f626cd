"""Terraform state: the gateway that every write passes, its lock, its versions, its outputs."""
