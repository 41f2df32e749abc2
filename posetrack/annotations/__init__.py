"""Reading and writing of the annotation formats PoseTrack17, PoseTrack18 and COCO."""
