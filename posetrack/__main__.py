"""`python -m posetrack` is `posetrack`."""

from posetrack.cli.entry import main

if __name__ == "__main__":
    main()
