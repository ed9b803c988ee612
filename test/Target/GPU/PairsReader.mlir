// RUN: stc-opt %s --stc-phase-vector=target=nvptx-sm_90 | FileCheck %s

// Four pairs of each of two rows choose activations of 16: from the lower and the upper eight, then
// one of both; those of the rows take turns.

// CHECK-LABEL: func.func @four
// CHECK: llvm.load {{.*}} invariant {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// CHECK: scf.for
// CHECK: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr -> vector<4xi32>
// CHECK: %[[X0:.*]] = arith.xori %{{.*}}, %c-2139062144_i32
// CHECK: %[[X1:.*]] = arith.xori %{{.*}}, %c-2139062144_i32
// CHECK: %[[X2:.*]] = arith.xori %{{.*}}, %c-2139062144_i32
// CHECK: %[[X3:.*]] = arith.xori %{{.*}}, %c-2139062144_i32
// CHECK: %[[LOW:.*]] = nvvm.prmt <default> %[[PLACES:.*]], %[[X0]], %[[X1]]
// CHECK: %[[HIGH:.*]] = nvvm.prmt <default> %[[PLACES]], %[[X2]], %[[X3]]
// CHECK: nvvm.prmt <default> %{{.*}}, %[[LOW]], %[[HIGH]]
// CHECK: nvvm.prmt <default> %c25632_i32
// CHECK: nvvm.prmt <default> %c30001_i32
// CHECK: arith.andi %{{.*}}, %c-252645136_i32
// CHECK: nvvm.dot.accumulate.4way {{.*}} <signed>, {{.*}} <signed>
// CHECK-COUNT-3: nvvm.dot.accumulate.4way
// CHECK-NOT: nvvm.dot.accumulate.4way
func.func @four(%w: !packed.weight<32x512, #packed.layout<pairs, i4, group = 32, n = 4, m = 16>>, %codes: memref<1x512xi8>, %scales: memref<1x16xf32>,
                %sums: memref<1x16xi32>, %out: memref<1x32xf32>) {
  scf.forall (%tile) in (2) {
    packed.matmul_tile %tile ins(%codes, %scales, %sums : memref<1x512xi8>, memref<1x16xf32>, memref<1x16xi32>)
        weight(%w : <32x512, #packed.layout<pairs, i4, group = 32, n = 4, m = 16>>) outs(%out : memref<1x32xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}

// With one pair in 16 columns those are of four times as many.

// CHECK-LABEL: func.func @one
// CHECK: scf.for
// CHECK-COUNT-4: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr -> vector<4xi32>
// CHECK: nvvm.prmt <default> %c80_i32
// CHECK: nvvm.prmt <default> %c29184_i32
// CHECK: nvvm.prmt <default> %c30224_i32
// CHECK: nvvm.dot.accumulate.4way
func.func @one(%w: !packed.weight<32x1024, #packed.layout<pairs, i4, group = 64, n = 1, m = 16>>, %codes: memref<1x1024xi8>, %scales: memref<1x16xf32>,
                %sums: memref<1x16xi32>, %out: memref<1x32xf32>) {
  scf.forall (%tile) in (2) {
    packed.matmul_tile %tile ins(%codes, %scales, %sums : memref<1x1024xi8>, memref<1x16xf32>, memref<1x16xi32>)
        weight(%w : <32x1024, #packed.layout<pairs, i4, group = 64, n = 1, m = 16>>) outs(%out : memref<1x32xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}
