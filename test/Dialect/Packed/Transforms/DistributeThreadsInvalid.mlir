// RUN: stc-opt %s --packed-distribute-threads --verify-diagnostics

func.func @step(%x: memref<4xf32>, %v: f32) {
  // expected-error @below {{expects bounds from 0 in steps of 1, and no results}}
  scf.forall (%i) = (0) to (4) step (2) {
    memref.store %v, %x[%i] : memref<4xf32>
  }
  return
}
