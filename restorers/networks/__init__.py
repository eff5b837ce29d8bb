"""Published burst networks as plain modules, written from their papers and facts about their official checkpoints."""
