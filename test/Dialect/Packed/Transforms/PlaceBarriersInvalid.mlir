// RUN: stc-opt %s --packed-place-barriers --verify-diagnostics

func.func @write(%x: memref<4xf32>, %i: index, %v: f32) {
  // expected-error @below {{expects writes to memory to be inside scf.forall}}
  memref.store %v, %x[%i] : memref<4xf32>
  return
}
