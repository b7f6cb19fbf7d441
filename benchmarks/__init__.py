"""The measurements behind `make bench`. Nothing here is imported by the package."""
