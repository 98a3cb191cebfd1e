"""What the linter sees as the model being rendered: one that is built in full."""

resource_type = "unit_test"
