"""`python -m nenghao` is the command line `nenghao`."""

from nenghao.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
