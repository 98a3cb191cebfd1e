"""Long statements of the runner, a file each."""
