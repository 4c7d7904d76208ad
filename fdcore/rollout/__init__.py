"""Episodes: chat format, tools, samplers."""
