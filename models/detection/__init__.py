"""What two-stage networks share: proposals, the box head, and the order of both."""
