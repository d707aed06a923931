"""`python -m stablenew` is the command `stablenew`."""

from stablenew.cli import main

if __name__ == "__main__":
    main()
