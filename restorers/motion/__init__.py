"""How frames lie on the reference: homographies, refined, and by tile."""
