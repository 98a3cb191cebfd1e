"""What the linter sees as the profile's target."""

name = "prod"
schema = "staging"
database = "analytics"
