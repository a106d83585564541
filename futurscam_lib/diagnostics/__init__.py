"""Diagnoses of a home: problems and their remedies."""
