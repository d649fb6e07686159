"""Measures any System. The picture of the house is drawn here once it stands."""
