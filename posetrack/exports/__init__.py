"""Export of networks for engines, in float and in int8."""
