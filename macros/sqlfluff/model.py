"""The linter's stand-in for the rendered model: one that is built in full."""

resource_type = "unit_test"
