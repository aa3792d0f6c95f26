"""``python -m deepbird_cli``."""

from deepbird_cli.main import main

main()
