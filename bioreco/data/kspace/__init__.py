"""k-space in files, and what is done to it before anything is learnt from it."""
