// RUN: stc-opt %s --packed-privatize-buffers | FileCheck %s
// RUN: stc-opt %s --packed-privatize-buffers=max-bytes=3 | FileCheck %s --check-prefix=NONE

// NONE-NOT: memref.alloca()
// NONE-NOT: packed.replicated

// A chain of small loops, read by a large one.

// CHECK-LABEL: func.func @chain
// CHECK-DAG: %[[A:.*]] = memref.alloca() {alignment = 64 : i64} : memref<1x4xf32>
// CHECK-DAG: %[[B:.*]] = memref.alloca() {alignment = 64 : i64} : memref<1x4xf32>
// CHECK-NOT: memref.alloc()
// CHECK: } {packed.replicated}
// CHECK: } {packed.replicated}
// CHECK-NOT: packed.replicated
func.func @chain(%x: memref<1x4xf32>, %y: memref<4xf32>) {
  %c0 = arith.constant 0 : index
  %a = memref.alloc() : memref<1x4xf32>
  %b = memref.alloc() : memref<1x4xf32>
  %view = memref.subview %b[0, 0] [1, 4] [1, 1] : memref<1x4xf32> to memref<1x4xf32>
  scf.forall (%i) in (1) {
    %v = memref.load %x[%i, %c0] : memref<1x4xf32>
    memref.store %v, %a[%i, %c0] : memref<1x4xf32>
  }
  scf.forall (%i) in (1) {
    %v = memref.load %a[%i, %c0] : memref<1x4xf32>
    memref.store %v, %view[%i, %c0] : memref<1x4xf32>
  }
  scf.forall (%i) in (4) {
    %v = memref.load %b[%c0, %i] : memref<1x4xf32>
    memref.store %v, %y[%i] : memref<4xf32>
  }
  memref.dealloc %a : memref<1x4xf32>
  return
}

// What other threads' loops, calls or arguments are involved in stays shared, and so does all that
// is written together with it.

// CHECK-LABEL: func.func @shared
// CHECK-NOT: memref.alloca()
// CHECK-NOT: packed.replicated
func.func private @use(%x: memref<4xf32>) {
  return
}
func.func @shared(%x: memref<4xf32>, %v: f32, %n: index) {
  %a = memref.alloc() : memref<4xf32>
  %b = memref.alloc() : memref<4xf32>
  %c = memref.alloc() : memref<4xf32>
  %d = memref.alloc(%n) : memref<?xf32>
  scf.forall (%i) in (1) {
    memref.store %v, %a[%i] : memref<4xf32>
    memref.store %v, %x[%i] : memref<4xf32>
  }
  scf.forall (%i) in (1) {
    memref.store %v, %b[%i] : memref<4xf32>
    memref.store %v, %d[%i] : memref<?xf32>
  }
  scf.forall (%i) in (4) {
    memref.store %v, %b[%i] : memref<4xf32>
  }
  scf.forall (%i) in (1) {
    memref.store %v, %c[%i] : memref<4xf32>
  }
  func.call @use(%c) : (memref<4xf32>) -> ()
  return
}
