"""The command line ``deepbird``: one file a command group, heavy imports inside the commands."""
