// RUN: stc-opt %s --stc-phase-vector=target=nvptx-sm_90 | FileCheck %s

// Units of the first two tiles are counted before all, then always those of the tile after the next
// one. A warp adds up what lies before its unit, and copies the unit's values to shared memory.

// CHECK-LABEL: func.func @four
// The table:
// CHECK: llvm.store {{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// CHECK: scf.for
// CHECK-COUNT-2: arith.maxui
// CHECK: gpu.barrier
// CHECK: scf.for
// CHECK: gpu.barrier
// CHECK: %[[MASKS:.*]] = llvm.load {{.*}} invariant {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// CHECK: nvvm.redux.sync add
// CHECK-COUNT-4: llvm.load {{.*}} invariant {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// CHECK: scf.if {{.*}} -> (vector<4xi32>, i32)
// CHECK: llvm.load {{.*}} invariant {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// CHECK: nvvm.bar.warp.sync
// CHECK-COUNT-3: llvm.store {{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// CHECK: scf.if
// CHECK: llvm.store {{.*}} {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<3>
// Masks, and where rows begin, of both halves:
// CHECK-COUNT-2: llvm.store {{.*}} {alignment = 8 : i64} : vector<2xi32>, !llvm.ptr<3>
// CHECK: nvvm.bar.warp.sync
// CHECK-COUNT-32: nvvm.dot.accumulate.4way {{.*}} <signed>, {{.*}} <signed>
// CHECK: vector.extract %[[MASKS]]
// CHECK: arith.maxui
func.func @four(%w: !packed.weight<32x512, #packed.layout<bitmap, i4, group = 32>>, %codes: memref<1x512xi8>, %scales: memref<1x16xf32>,
                %sums: memref<1x16xi32>, %out: memref<1x32xf32>) {
  scf.forall (%tile) in (2) {
    packed.matmul_tile %tile ins(%codes, %scales, %sums : memref<1x512xi8>, memref<1x16xf32>, memref<1x16xi32>)
        weight(%w : <32x512, #packed.layout<bitmap, i4, group = 32>>) outs(%out : memref<1x32xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}

// The codes of 8 bits of a step begin behind those of the step before.

// CHECK-LABEL: func.func @eight
// CHECK-NOT: arith.maxui
// CHECK-COUNT-8: llvm.intr.ctpop
// CHECK: gpu.barrier
func.func @eight(%w: !packed.weight<32x1024, #packed.layout<bitmap, i8, group = 64>>, %codes: memref<1x1024xi8>, %scales: memref<1x16xf32>,
                 %sums: memref<1x16xi32>, %out: memref<1x32xf32>) {
  scf.forall (%tile) in (2) {
    packed.matmul_tile %tile ins(%codes, %scales, %sums : memref<1x1024xi8>, memref<1x16xf32>, memref<1x16xi32>)
        weight(%w : <32x1024, #packed.layout<bitmap, i8, group = 64>>) outs(%out : memref<1x32xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}
