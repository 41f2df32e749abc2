"""Files of annotated or predicted poses, as data sets lay them out: PoseTrack17, PoseTrack18 and COCO."""
