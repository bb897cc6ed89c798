"""`lirf demo`: the main job from end to end, through the real API and a real worker."""
