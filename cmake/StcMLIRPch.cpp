// Builds the precompiled header that every MLIR target of stc shares.
