"""How theta is learnt from measurements alone: one file, one class, one method."""
