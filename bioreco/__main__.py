"""Run the command line with `python -m bioreco`."""

from bioreco.cli.main import main

if __name__ == "__main__":
    main()
