"""One small class for each embedded part: how it is prepared, started, asked whether it answers, and stopped."""
