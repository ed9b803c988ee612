// RUN: stc-opt %s --stc-phase-vector=target=nvptx-sm_90 | FileCheck %s

// Where tiles begin and how many steps they have stored is gathered for all of them first. Lanes
// past the last step add nothing. Scales are loaded once the index is there.

// CHECK-LABEL: func.func @block
// CHECK-COUNT-2: llvm.load {{.*}} invariant {alignment = 4 : i64} : !llvm.ptr<1> -> i32
// CHECK: %[[COUNT:.*]] = llvm.load {{.*}} invariant {alignment = 2 : i64} : !llvm.ptr<1> -> i16
// CHECK: %[[KEPT:.*]] = arith.extui %[[COUNT]] : i16 to i32
// CHECK: llvm.store %[[KEPT]], {{.*}} : i32, !llvm.ptr<3>
// CHECK: gpu.barrier
// CHECK: llvm.load {{.*}} {alignment = 4 : i64} : !llvm.ptr<3> -> i32
// CHECK: %[[STORED:.*]] = llvm.load {{.*}} {alignment = 4 : i64} : !llvm.ptr<3> -> i32
// CHECK: %[[EXISTS:.*]] = arith.cmpi ult, %{{.*}}, %[[STORED]]
// CHECK: llvm.load {{.*}} invariant {alignment = 2 : i64} : !llvm.ptr<1> -> i16
// CHECK: llvm.load {{.*}} invariant {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// CHECK: scf.for {{.*}}%[[EXISTS]]
// CHECK: nvvm.cp.async.bulk.prefetch
// CHECK: llvm.load {{.*}} invariant {alignment = 8 : i64} : !llvm.ptr<1> -> vector<4xf16>
// CHECK: arith.shli
// CHECK: nvvm.dot.accumulate.4way {{.*}} <signed>, {{.*}} <signed>
// CHECK: arith.select {{.*}} : f32
func.func @block(%w: !packed.weight<32x512, #packed.layout<block, i4, group = 32>>, %codes: memref<1x512xi8>, %scales: memref<1x16xf32>,
                 %sums: memref<1x16xi32>, %out: memref<1x32xf32>) {
  scf.forall (%tile) in (2) {
    packed.matmul_tile %tile ins(%codes, %scales, %sums : memref<1x512xi8>, memref<1x16xf32>, memref<1x16xi32>)
        weight(%w : <32x512, #packed.layout<block, i4, group = 32>>) outs(%out : memref<1x32xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}

// Of a wide tile a warp takes as many chunks of steps as there are.

// CHECK-LABEL: func.func @wide
// CHECK: %[[UNITS:.*]] = arith.divui %{{.*}}, %c8_i32
// CHECK: %[[OWN:.*]] = arith.addi %[[UNITS]]
// CHECK: %[[MORE:.*]] = arith.divui %[[OWN]], %c32_i32
// CHECK: %[[CHUNKS:.*]] = arith.maxui %[[MORE]], %c1_i32
// CHECK: %[[LAST:.*]] = arith.subi %[[CHUNKS]], %c1_i32
// CHECK: %[[LIMIT:.*]] = arith.index_castui %[[LAST]] : i32 to index
// CHECK: scf.for %{{.*}} = %c0 to %[[LIMIT]]
func.func @wide(%w: !packed.weight<32x4096, #packed.layout<block, i8, group = 128>>, %codes: memref<1x4096xi8>, %scales: memref<1x32xf32>,
                %sums: memref<1x32xi32>, %out: memref<1x32xf32>) {
  scf.forall (%tile) in (2) {
    packed.matmul_tile %tile ins(%codes, %scales, %sums : memref<1x4096xi8>, memref<1x32xf32>, memref<1x32xi32>)
        weight(%w : <32x4096, #packed.layout<block, i8, group = 128>>) outs(%out : memref<1x32xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}
