"""F_theta: the networks that map measurements to images."""
