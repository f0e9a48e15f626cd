"""The async client. The blocking one in `_gen/blocking` is generated from these files."""
