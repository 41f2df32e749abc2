"""MoveNet: a CenterNet on MobileNetV2 with a feature pyramid, for one person or several."""
