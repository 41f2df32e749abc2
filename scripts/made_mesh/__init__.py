"""How the body mesh that comes with the package is made: charts, coordinates, distances."""
