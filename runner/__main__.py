import sys

from runner.cli import main

# As the installed command ends: after an interrupt that was caught while modules load, Python would
# else end by SIGINT, whatever came after it.
sys.exit(main())  # type: ignore[func-returns-value]
