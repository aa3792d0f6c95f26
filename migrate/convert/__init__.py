"""Converters, one file a family of modules. Files here never import each other."""
