// RUN: stc-opt %s --stc-phase-vector=target=nvptx-sm_90 | FileCheck %s

// A lane has four vectors of a group of 128 columns in a unit, and the scales of its four rows. Three
// units of a warp are under way; what is multiplied is first read to registers, so that the next
// unit can take its place. 32 products of four bytes are scaled together.

// CHECK-LABEL: func.func @dense
// CHECK: scf.if
// CHECK-COUNT-4: nvvm.cp.async.shared.global {{.*}}, 16, cache = cg
// CHECK: nvvm.cp.async.shared.global {{.*}}, 8, cache = ca
// CHECK: nvvm.cp.async.commit.group
// CHECK: nvvm.cp.async.commit.group
// CHECK: nvvm.cp.async.commit.group
// CHECK-NOT: nvvm.cp.async.commit.group
// CHECK: scf.for
// CHECK: scf.for
// CHECK-NEXT: arith.index_cast
// CHECK-NEXT: nvvm.cp.async.wait.group 2
// CHECK-COUNT-4: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
// CHECK: llvm.load {{.*}} {alignment = 8 : i64} : !llvm.ptr<3> -> vector<4xf16>
// CHECK: scf.if
// CHECK-COUNT-5: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// CHECK-COUNT-32: nvvm.dot.accumulate.4way
// CHECK-NOT: nvvm.dot.accumulate.4way
// CHECK: gpu.barrier
func.func @dense(%w: !packed.weight<32x2048, #packed.layout<dense, i4, group = 128>>, %codes: memref<1x2048xi8>,
                 %scales: memref<1x16xf32>, %sums: memref<1x16xi32>, %out: memref<1x32xf32>) {
  scf.forall (%tile) in (2) {
    packed.matmul_tile %tile ins(%codes, %scales, %sums : memref<1x2048xi8>, memref<1x16xf32>, memref<1x16xi32>)
        weight(%w : <32x2048, #packed.layout<dense, i4, group = 128>>) outs(%out : memref<1x32xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}

// What activations are made of is asked for first, then weights; both are under way before a block
// waits for anything.

// CHECK-LABEL: func.func @started
// CHECK: vector.load {{.*}}, vector<4xf32>
// CHECK-NOT: gpu.barrier
// CHECK-COUNT-3: nvvm.cp.async.commit.group
// CHECK: nvvm.redux.sync umax
// CHECK: gpu.barrier
// CHECK: scf.for
// CHECK: nvvm.cp.async.wait.group 2
func.func @started(%x: memref<1x2048xf32>, %w: !packed.weight<32x2048, #packed.layout<dense, i4, group = 128>>,
                   %out: memref<1x32xf32>) {
  %codes = memref.alloca() : memref<1x2048xi8>
  %scales = memref.alloca() : memref<1x16xf32>
  %sums = memref.alloca() : memref<1x16xi32>
  scf.forall (%i) in (1) {
    packed.quantize_activations ins(%x : memref<1x2048xf32>)
        outs(%codes, %scales, %sums : memref<1x2048xi8>, memref<1x16xf32>, memref<1x16xi32>) group 128 sum_factor -8
  } {packed.replicated}
  scf.forall (%tile) in (2) {
    packed.matmul_tile %tile ins(%codes, %scales, %sums : memref<1x2048xi8>, memref<1x16xf32>, memref<1x16xi32>)
        weight(%w : <32x2048, #packed.layout<dense, i4, group = 128>>) outs(%out : memref<1x32xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}
