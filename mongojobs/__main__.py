"""``python -m mongojobs``, and the command ``mongojobs``: the command line, from its first line on."""


def main() -> None:
    """Run the command line and leave the process with its exit status.

    Before anything else is imported, the signals that stop a worker are held back until it is ready for them: to
    process 1 of a container, the system would never give one that comes before its handler.
    """
    from mongojobs.process.signals import hold_back

    hold_back()
    from mongojobs.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
