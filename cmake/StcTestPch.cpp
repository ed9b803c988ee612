// Builds the precompiled header that every unit test of floor 0 shares.
