// RUN: stc-opt %s --stc-phase-vector=target=nvptx-sm_86 | FileCheck %s

// Where shared memory has no room for units of weights, lanes take them to registers.
// Four sums of a lane's rows: lanes that have the same rows give each other two, and then one, and
// add up the last between two of them. Sixteen lanes store a row each.

// CHECK-LABEL: func.func @dense
// CHECK: scf.for
// CHECK: scf.for
// CHECK-COUNT-8: nvvm.dot.accumulate.4way {{.*}} <unsigned>, {{.*}} <signed>
// CHECK-NOT: nvvm.dot.accumulate.4way
// CHECK-COUNT-2: gpu.shuffle xor %{{.*}}, %c16_i32
// CHECK-NEXT: arith.addf
// CHECK-NOT: %c16_i32
// CHECK: gpu.shuffle xor %{{.*}}, %c8_i32
// CHECK-NEXT: arith.addf
// CHECK-NOT: %c8_i32
// CHECK: %[[OTHER:.*]], %{{.*}} = gpu.shuffle xor %[[OWN:.*]], %c4_i32
// CHECK-NEXT: %[[SUM:.*]] = arith.addf %[[OWN]], %[[OTHER]]
// CHECK-NOT: gpu.shuffle
// CHECK: scf.if
// CHECK: llvm.store %[[SUM]], %{{.*}} {alignment = 4 : i64} : f32, !llvm.ptr<3>
// CHECK: gpu.barrier
func.func @dense(%w: !packed.weight<32x1024, #packed.layout<dense, i4, group = 32>>, %codes: memref<1x1024xi8>,
                 %scales: memref<1x32xf32>, %sums: memref<1x32xi32>, %out: memref<1x32xf32>) {
  scf.forall (%tile) in (2) {
    packed.matmul_tile %tile ins(%codes, %scales, %sums : memref<1x1024xi8>, memref<1x32xf32>, memref<1x32xi32>)
        weight(%w : <32x1024, #packed.layout<dense, i4, group = 32>>) outs(%out : memref<1x32xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}
