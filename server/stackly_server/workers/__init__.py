"""Workers: how machines join, prove what they can do, stay known, and which task queues they serve."""
