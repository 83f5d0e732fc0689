"""`python -m retouch`: the command line, for launchers that start modules."""

from retouch.cli.main import main

if __name__ == "__main__":
    main()
