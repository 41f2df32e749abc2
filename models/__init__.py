"""The networks: torch in, torch out. Knows no video, no skeleton names and nothing of `posetrack`."""
