"""PoseTrack's metrics: AP, MOTA and HOTA of keypoints.

The numbers are those of the public tool `poseval` (L. Pishchulin), quirks included; `corrected` repairs them.
"""
