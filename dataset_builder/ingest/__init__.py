"""Reading what cameras wrote: photographs to synthesise from, and real bursts."""
