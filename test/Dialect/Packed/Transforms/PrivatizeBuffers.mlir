// RUN: stc-opt %s --packed-privatize-buffers | FileCheck %s
// RUN: stc-opt %s --packed-privatize-buffers=max-bytes=3 | FileCheck %s --check-prefix=NONE
// RUN: stc-opt %s --packed-privatize-buffers=max-bytes=64 | FileCheck %s --check-prefix=BUDGET

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

// What stays shared takes no place from what could be private; of that, the first ones that fit stay.

// CHECK-LABEL: func.func @budget
// BUDGET-LABEL: func.func @budget
// BUDGET-COUNT-1: memref.alloca() {alignment = 64 : i64} : memref<8xf32>
// BUDGET-NOT: memref.alloca()
// BUDGET-DAG: memref.alloc() : memref<16xf32>
// BUDGET-DAG: memref.alloc() : memref<12xf32>
// BUDGET: scf.forall (%{{.*}}) in (1) {
// BUDGET: } {packed.replicated}
// BUDGET-NOT: packed.replicated
func.func @budget(%v: f32) {
  %large = memref.alloc() : memref<16xf32>
  %a = memref.alloc() : memref<8xf32>
  %b = memref.alloc() : memref<12xf32>
  scf.forall (%i) in (16) {
    memref.store %v, %large[%i] : memref<16xf32>
  }
  scf.forall (%i) in (1) {
    memref.store %v, %a[%i] : memref<8xf32>
  }
  scf.forall (%i) in (1) {
    memref.store %v, %b[%i] : memref<12xf32>
  }
  return
}
