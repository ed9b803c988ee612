// packed-tile-ops: what a mixture of experts needs beside its matrices.
// RUN: stc-opt %s --packed-tile-ops | FileCheck %s

// CHECK-LABEL: @gate
// CHECK: scf.forall (%[[T:.*]]) in (%{{.*}}) {
// CHECK: arith.maximumf
// CHECK: scf.for
// CHECK: arith.cmpf ogt
// CHECK: math.exp
// Gates are stored once, from logits alone: several threads may do it at once.
// CHECK-NOT: memref.store
// CHECK: scf.for
// CHECK: memref.load %arg0
// CHECK: math.exp
// CHECK: arith.divf
// CHECK: memref.store {{.*}} %arg1
// CHECK: packed.columns
// CHECK-NOT: memref.store
func.func @gate(%l: memref<?x8xf32>, %g: memref<?x8xf32>) {
  packed.top_k_gate normalized ins(%l : memref<?x8xf32>) outs(%g : memref<?x8xf32>) k 2
  return
}

// Groups are compared by the sums of their two best, and gates are stored once, from scores alone.
// CHECK-LABEL: @grouped
// CHECK: scf.forall (%[[T:.*]]) in (%{{.*}}) {
// CHECK-NOT: memref.store
// CHECK: memref.load %arg0[%[[T]], %{{.*}}]
// CHECK: memref.load %arg1[%{{.*}}]
// CHECK: arith.cmpf ogt
// CHECK-NOT: memref.store
// CHECK: arith.divf
// CHECK: arith.divui
// CHECK: memref.store {{.*}} %arg2
// CHECK: packed.columns
// CHECK-NOT: memref.store
func.func @grouped(%s: memref<?x8xf32>, %b: memref<8xf32>, %g: memref<?x8xf32>) {
  packed.grouped_gate normalized ins(%s : memref<?x8xf32>) correction(%b : memref<8xf32>)
      outs(%g : memref<?x8xf32>) k 2 groups 4 kept 2 best 2 scale 2.5
  return
}

// Where all groups stay, experts are compared alone.
// CHECK-LABEL: @ungrouped
// CHECK-NOT: arith.divui
// CHECK: memref.store {{.*}} %arg1
func.func @ungrouped(%s: memref<?x8xf32>, %g: memref<?x8xf32>) {
  packed.grouped_gate ins(%s : memref<?x8xf32>) outs(%g : memref<?x8xf32>)
      k 2 groups 4 kept 4 best 2 scale 1.0
  return
}

// One thread writes the list of tokens.
// CHECK-LABEL: @select
// CHECK: scf.forall (%{{.*}}) in (1) {
// CHECK: arith.cmpf une
func.func @select(%g: memref<?x8xf32>, %t: memref<?xi32>, %e: index) {
  packed.select_tokens ins(%g[%e] : memref<?x8xf32>) outs(%t : memref<?xi32>)
  return
}

// 40 columns: two vectors of 16, and 8 by themselves.
// CHECK-LABEL: @gather
// CHECK: scf.forall (%[[I:.*]]) in
// CHECK: %[[TOKEN:.*]] = arith.index_cast
// CHECK: vector.load %{{.*}}[%[[TOKEN]], %{{.*}}] : memref<?x40xf32>, vector<16xf32>
// CHECK: vector.store %{{.*}}[%[[I]], %{{.*}}]
// CHECK: packed.columns
// CHECK: memref.load %{{.*}}[%[[TOKEN]], %{{.*}}] : memref<?x40xf32>
func.func @gather(%x: memref<?x40xf32>, %t: memref<?xi32>, %y: memref<?x40xf32>) {
  packed.gather_tokens ins(%x, %t : memref<?x40xf32>, memref<?xi32>) outs(%y : memref<?x40xf32>)
  return
}

// CHECK-LABEL: @scatter
// CHECK: scf.forall
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK: vector.store
// CHECK: packed.columns
func.func @scatter(%y: memref<1x16xf32>, %g: memref<1x8xf32>, %s: memref<1x16xf32>, %e: index) {
  packed.scatter_add ins(%y : memref<1x16xf32>) gates(%g[%e] : memref<1x8xf32>)
      outs(%s : memref<1x16xf32>)
  return
}
