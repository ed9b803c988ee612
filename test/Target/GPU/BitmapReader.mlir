// RUN: stc-opt %s --stc-phase-vector=target=nvptx-sm_90 | FileCheck %s

// First the warps count what each has of the tiles' values, then each adds up what those before it
// have, and lanes what the lanes before them have.

// CHECK-LABEL: func.func @four
// CHECK: scf.for
// CHECK: scf.for
// CHECK: %[[SUM:.*]] = scf.for
// CHECK-COUNT-2: llvm.load {{.*}} invariant {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// CHECK: arith.maxui
// CHECK: nvvm.redux.sync add %[[SUM]]
// CHECK: scf.if
// CHECK: llvm.store {{.*}} {alignment = 4 : i64} : i32, !llvm.ptr<3>
// CHECK: gpu.barrier
// CHECK: llvm.load {{.*}} {alignment = 4 : i64} : !llvm.ptr<3> -> i32
// CHECK: nvvm.redux.sync add
// CHECK-COUNT-4: llvm.load {{.*}} invariant {alignment = 2 : i64} : !llvm.ptr<1> -> i16
// CHECK-COUNT-4: llvm.intr.ctpop
// CHECK: gpu.shuffle xor %{{.*}}, %c1_i32
// CHECK: gpu.shuffle xor %{{.*}}, %c2_i32
// CHECK-COUNT-2: arith.maxui
// CHECK: gpu.shuffle xor %{{.*}}, %c4_i32
// CHECK: gpu.shuffle xor %{{.*}}, %c8_i32
// CHECK: gpu.shuffle xor %{{.*}}, %c16_i32
// CHECK-COUNT-20: llvm.load {{.*}} invariant {alignment = 4 : i64} : !llvm.ptr<1> -> i32
// CHECK: scf.for
// CHECK-COUNT-16: nvvm.dot.accumulate.4way {{.*}} <signed>, {{.*}} <signed>
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
// CHECK-COUNT-8: llvm.intr.ctpop
// CHECK-NOT: arith.maxui
// CHECK: arith.addi
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
