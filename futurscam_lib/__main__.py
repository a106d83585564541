"""`python -m futurscam_lib`: the same as `futurscam`."""

from futurscam_lib.cli import main

main()
