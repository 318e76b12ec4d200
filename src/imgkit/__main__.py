"""Run the command line as ``python -m imgkit``."""

from imgkit.cli import main

if __name__ == "__main__":
    main()
