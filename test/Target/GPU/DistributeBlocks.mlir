// RUN: stc-opt %s --packed-distribute-blocks=target=nvptx-sm_90 | FileCheck %s

// Iterations are numbered through until the next barrier: block b takes those that are b modulo the
// number of blocks, so that the second loop begins where the first one left off.
// CHECK-LABEL: @loops
// CHECK: %[[NUMBER:.*]], %[[COUNT:.*]] = packed.thread
// CHECK: scf.for %{{.*}} = %[[NUMBER]] to %{{.*}} step %[[COUNT]] {
// CHECK-NEXT: gpu.barrier
// CHECK: memref.store
// CHECK: %[[C3:.*]] = arith.constant 3 : index
// CHECK: %[[REST:.*]] = arith.remui %[[C3]], %[[COUNT]]
// CHECK: %[[SHIFTED:.*]] = arith.addi %[[NUMBER]], %[[COUNT]]
// CHECK: %[[LEFT:.*]] = arith.subi %[[SHIFTED]], %[[REST]]
// CHECK: %[[FIRST:.*]] = arith.remui %[[LEFT]], %[[COUNT]]
// CHECK: scf.for %{{.*}} = %[[FIRST]] to %{{.*}} step %[[COUNT]] {
// CHECK: packed.barrier
// CHECK: scf.for %{{.*}} = %[[NUMBER]] to %{{.*}} step %[[COUNT]] {
func.func @loops(%a: memref<8xf32>, %b: memref<8xf32>, %x: f32) {
  scf.forall (%i) in (3) {
    memref.store %x, %a[%i] : memref<8xf32>
  }
  scf.forall (%i) in (5) {
    memref.store %x, %b[%i] : memref<8xf32>
  }
  packed.barrier
  scf.forall (%i) in (8) {
    memref.store %x, %a[%i] : memref<8xf32>
  }
  return
}

// What every block does for itself is no loop.
// CHECK-LABEL: @replicated
// CHECK-NOT: scf.for
// CHECK: memref.store
// CHECK: return
func.func @replicated(%x: f32) {
  %a = memref.alloca() : memref<1xf32>
  scf.forall (%i) in (1) {
    memref.store %x, %a[%i] : memref<1xf32>
  } {packed.replicated}
  return
}
