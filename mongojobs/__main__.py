"""``python -m mongojobs``: the command line."""

from mongojobs.cli.main import main

if __name__ == "__main__":
    main()
