"""Images as networks take them: regions cut out, whole images fitted, on the device that computes."""
