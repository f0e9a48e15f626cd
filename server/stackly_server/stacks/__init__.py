"""Stack codes and their stack files, stack states, loose and re-associated."""
