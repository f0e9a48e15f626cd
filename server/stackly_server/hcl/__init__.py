"""Small HCL files of ours (stack files, policies): bytes to a typed tree with positions, and the tree to typed values."""
