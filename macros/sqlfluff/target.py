"""The linter's stand-in for the profile's target."""

name = "prod"
schema = "staging"
database = "analytics"
