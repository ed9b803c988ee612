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

// Matrices of the same activations are one sequence of tiles: pairs that are turned, and pairs of
// neighbours. Its first weights are asked for before the activations are there.
!codes = memref<1x2048xi8>
!scales = memref<1x16xf32>
!sums = memref<1x16xi32>
!turned = !packed.weight<64x2048, #packed.layout<dense, i4, group = 128>>
!plain = !packed.weight<32x2048, #packed.layout<dense, i4, group = 128>>
// CHECK-LABEL: @joined
// CHECK: %[[NUMBER:.*]], %[[COUNT:.*]] = packed.thread
// CHECK: scf.execute_region
// CHECK-COUNT-3: nvvm.cp.async.commit.group
// CHECK-NOT: nvvm.cp.async.commit.group
// CHECK: packed.quantize_activations
// CHECK: memref.load %{{.*}} : memref<1x16xf32>
// CHECK: nvvm.cp.async.wait.group 2
// CHECK: nvvm.cp.async.commit.group
// CHECK: gpu.barrier
// CHECK: scf.if
// CHECK-COUNT-2: memref.store %{{.*}} : memref<1x64xf32>
// CHECK: scf.if
// CHECK-COUNT-2: memref.store %{{.*}} : memref<1x32xf32>
// CHECK-NOT: nvvm.cp.async
// CHECK: packed.barrier
func.func @joined(%x: memref<1x2048xf32>, %w: !turned, %v: !plain, %cos: memref<1x16xf32>,
                  %y: memref<1x64xf32>, %z: memref<1x32xf32>) {
  %codes = memref.alloca() : !codes
  %scales = memref.alloca() : !scales
  %sums = memref.alloca() : !sums
  scf.forall (%i) in (1) {
    packed.quantize_activations ins(%x : memref<1x2048xf32>) outs(%codes, %scales, %sums : !codes, !scales, !sums)
        group 128 sum_factor -8
  } {packed.replicated}
  scf.forall (%i) in (2) {
    packed.matmul_tile %i ins(%codes, %scales, %sums : !codes, !scales, !sums) weight(%w : <64x2048, #packed.layout<dense, i4, group = 128>>)
        rotary(%cos, %cos : memref<1x16xf32>, memref<1x16xf32>) outs(%y : memref<1x64xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  scf.forall (%i) in (2) {
    packed.matmul_tile %i ins(%codes, %scales, %sums : !codes, !scales, !sums) weight(%v : <32x2048, #packed.layout<dense, i4, group = 128>>)
        outs(%z : memref<1x32xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  packed.barrier
  return
}
