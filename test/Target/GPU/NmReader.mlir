// RUN: stc-opt %s --stc-phase-vector=target=nvptx-sm_90 | FileCheck %s

// 2:4 with codes of 4 bits: two table lookups give the positions of eight rows in a step, one more
// instruction chooses the four activations of two steps of a row.

// CHECK-LABEL: func.func @pairs
// CHECK: llvm.load {{.*}} invariant {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xi32>
// CHECK: llvm.load {{.*}} invariant {alignment = 4 : i64} : !llvm.ptr<1> -> i32
// CHECK: scf.for
// CHECK: %[[X:.*]] = llvm.load {{.*}} {alignment = 8 : i64} : !llvm.ptr -> vector<2xi32>
// CHECK-DAG: %[[X0:.*]] = vector.extract %[[X]][0]
// CHECK-DAG: %[[X1:.*]] = vector.extract %[[X]][1]
// CHECK: %[[FIRST:.*]] = nvvm.prmt <default> %{{.*}}, %c271659008_i32, %c2170930_i32
// CHECK: nvvm.prmt <default> %{{.*}}, %c271659008_i32, %c2170930_i32
// CHECK: %[[SECOND:.*]] = nvvm.prmt <default> %{{.*}}, %c1416983620_i32, %c1147495542_i32
// CHECK: nvvm.prmt <default> %{{.*}}, %c1416983620_i32, %c1147495542_i32
// CHECK: %[[PLACES:.*]] = nvvm.prmt <default> %c20800_i32, %[[FIRST]], %[[SECOND]]
// CHECK: %[[CODES:.*]] = nvvm.prmt <default> %c21520_i32
// CHECK: %[[CHOSEN:.*]] = nvvm.prmt <default> %[[PLACES]], %[[X0]], %[[X1]]
// CHECK-DAG: %[[A:.*]] = llvm.bitcast %[[CODES]] : i32 to vector<4xi8>
// CHECK-DAG: %[[B:.*]] = llvm.bitcast %[[CHOSEN]] : i32 to vector<4xi8>
// CHECK: nvvm.dot.accumulate.4way %[[A]] <signed>, %[[B]] <signed>
// CHECK-COUNT-7: nvvm.dot.accumulate.4way
// CHECK-NOT: nvvm.dot.accumulate.4way
func.func @pairs(%w: !packed.weight<32x512, #packed.layout<nm, i4, group = 32, n = 2, m = 4>>, %codes: memref<1x512xi8>, %scales: memref<1x16xf32>,
                 %sums: memref<1x16xi32>, %out: memref<1x32xf32>) {
  scf.forall (%tile) in (2) {
    packed.matmul_tile %tile ins(%codes, %scales, %sums : memref<1x512xi8>, memref<1x16xf32>, memref<1x16xi32>)
        weight(%w : <32x512, #packed.layout<nm, i4, group = 32, n = 2, m = 4>>) outs(%out : memref<1x32xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}

// Wide tiles have lanes that take two pairs of steps, and scale their sums once, which are the bits
// of floats.

// CHECK-LABEL: func.func @wide
// CHECK: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr -> vector<4xi32>
// CHECK-COUNT-16: nvvm.dot.accumulate.4way
// CHECK-NOT: nvvm.dot.accumulate.4way
// CHECK-COUNT-8: arith.bitcast {{.*}} : i32 to f32
// CHECK-NOT: arith.bitcast {{.*}} : i32 to f32
func.func @wide(%w: !packed.weight<32x4096, #packed.layout<nm, i4, group = 128, n = 2, m = 4>>, %codes: memref<1x4096xi8>, %scales: memref<1x32xf32>,
                %sums: memref<1x32xi32>, %out: memref<1x32xf32>) {
  scf.forall (%tile) in (2) {
    packed.matmul_tile %tile ins(%codes, %scales, %sums : memref<1x4096xi8>, memref<1x32xf32>, memref<1x32xi32>)
        weight(%w : <32x4096, #packed.layout<nm, i4, group = 128, n = 2, m = 4>>) outs(%out : memref<1x32xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}

// Others find the codes of a lane's rows by counting those before, in each step of two chunks: a
// lane its own, and all four lanes together.

// CHECK-LABEL: func.func @counted
// CHECK-COUNT-4: llvm.load {{.*}} invariant {alignment = 2 : i64} : !llvm.ptr<1> -> i16
// CHECK-COUNT-4: llvm.intr.ctpop
// CHECK: gpu.shuffle xor %{{.*}}, %c1_i32
// CHECK: gpu.shuffle xor %{{.*}}, %c2_i32
// CHECK-NOT: gpu.shuffle
// CHECK-COUNT-20: llvm.load {{.*}} invariant {alignment = 4 : i64} : !llvm.ptr<1> -> i32
// CHECK-NOT: invariant {alignment = 4 : i64} : !llvm.ptr<1> -> i32
// CHECK: scf.for
// CHECK-COUNT-16: nvvm.dot.accumulate.4way {{.*}} <signed>, {{.*}} <signed>
// CHECK-NOT: nvvm.dot.accumulate.4way
func.func @counted(%w: !packed.weight<32x512, #packed.layout<nm, i4, group = 32, n = 4, m = 8>>, %codes: memref<1x512xi8>, %scales: memref<1x16xf32>,
                   %sums: memref<1x16xi32>, %out: memref<1x32xf32>) {
  scf.forall (%tile) in (2) {
    packed.matmul_tile %tile ins(%codes, %scales, %sums : memref<1x512xi8>, memref<1x16xf32>, memref<1x16xi32>)
        weight(%w : <32x512, #packed.layout<nm, i4, group = 32, n = 4, m = 8>>) outs(%out : memref<1x32xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}

// Of 2:4 with codes of 8 bits four rows have at most eight codes in a step.

// CHECK-LABEL: func.func @bytes
// CHECK-COUNT-12: llvm.load {{.*}} invariant {alignment = 4 : i64} : !llvm.ptr<1> -> i32
// CHECK-NOT: invariant {alignment = 4 : i64} : !llvm.ptr<1> -> i32
// CHECK: scf.for
func.func @bytes(%w: !packed.weight<32x512, #packed.layout<nm, i8, group = 32, n = 2, m = 4>>, %codes: memref<1x512xi8>, %scales: memref<1x16xf32>,
                 %sums: memref<1x16xi32>, %out: memref<1x32xf32>) {
  scf.forall (%tile) in (2) {
    packed.matmul_tile %tile ins(%codes, %scales, %sums : memref<1x512xi8>, memref<1x16xf32>, memref<1x16xi32>)
        weight(%w : <32x512, #packed.layout<nm, i8, group = 32, n = 2, m = 4>>) outs(%out : memref<1x32xf32>)
        config <tokens = 1, accumulators = 1, prefetch = 0>
  }
  return
}
