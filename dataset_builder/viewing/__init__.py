"""Pictures of bursts for people: contact sheets, and a restoration beside the truth."""
