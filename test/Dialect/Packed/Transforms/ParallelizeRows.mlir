// RUN: stc-opt %s --packed-parallelize-rows=split-columns=1024 --canonicalize --split-input-file | FileCheck %s

#all = affine_map<(d0, d1) -> (d0, d1)>
#rows = affine_map<(d0, d1) -> (d0)>
#columns = affine_map<(d0, d1) -> (d1)>

// A normalization is one loop over tokens: zero, sum, scale. 40 columns are two vectors and eight
// single columns. What is equal in a row is computed once.

// CHECK-LABEL: func.func @normalize
// CHECK-SAME: (%[[X:.*]]: memref<?x40xf32>, %[[W:.*]]: memref<40xf32>, %[[Y:.*]]: memref<?x40xf32>, %[[N:.*]]: index)
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : index
// CHECK-DAG: %[[C16:.*]] = arith.constant 16 : index
// CHECK-DAG: %[[C32:.*]] = arith.constant 32 : index
// CHECK-DAG: %[[C40:.*]] = arith.constant 40 : index
// CHECK: %[[S:.*]] = memref.alloc(%[[N]])
// CHECK: scf.forall (%[[T:.*]]) in (%[[N]]) {
// CHECK: memref.store %{{.*}}, %[[S]][%[[T]]]
// CHECK: %[[START:.*]] = memref.load %[[S]][%[[T]]]
// CHECK: %[[VECTORS:.*]] = scf.for %[[C:.*]] = %[[C0]] to %[[C32]] step %[[C16]] iter_args(%[[ACC:.*]] = %{{.*}}) -> (vector<16xf32>)
// CHECK: %[[V:.*]] = vector.load %[[X]][%[[T]], %[[C]]] : memref<?x40xf32>, vector<16xf32>
// CHECK: arith.addf %[[ACC]], %[[V]] fastmath<reassoc>
// CHECK: %[[PART:.*]] = vector.reduction <add>, %[[VECTORS]], %[[START]] fastmath<reassoc>
// CHECK: %[[SUM:.*]] = scf.for %{{.*}} = %[[C32]] to %[[C40]] step %[[C1]] iter_args(%{{.*}} = %[[PART]]) -> (f32)
// CHECK: memref.store %[[SUM]], %[[S]][%[[T]]]
// CHECK: %[[LOADED:.*]] = memref.load %[[S]][%[[T]]]
// CHECK: %[[ROOT:.*]] = math.sqrt %[[LOADED]] : f32
// CHECK: scf.for %[[C:.*]] = %[[C0]] to %[[C32]] step %[[C16]] {
// CHECK-DAG: %[[A:.*]] = vector.load %[[X]][%[[T]], %[[C]]]
// CHECK-DAG: %[[B:.*]] = vector.load %[[W]][%[[C]]]
// CHECK-DAG: %[[R:.*]] = vector.broadcast %[[ROOT]]
// CHECK: %[[P:.*]] = arith.mulf %[[A]], %[[R]]
// CHECK: %[[Q:.*]] = arith.mulf %[[P]], %[[B]]
// CHECK: vector.store %[[Q]], %[[Y]][%[[T]], %[[C]]]
// CHECK: scf.for %[[C:.*]] = %[[C32]] to %[[C40]] step %[[C1]] {
// CHECK: memref.store %{{.*}}, %[[Y]][%[[T]], %[[C]]]
// CHECK-NOT: scf.forall
func.func @normalize(%x: memref<?x40xf32>, %w: memref<40xf32>, %y: memref<?x40xf32>, %n: index) {
  %zero = arith.constant 0.0 : f32
  %s = memref.alloc(%n) : memref<?xf32>
  linalg.fill ins(%zero : f32) outs(%s : memref<?xf32>)
  linalg.generic {indexing_maps = [#all, #rows], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<?x40xf32>) outs(%s : memref<?xf32>) {
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %b, %a fastmath<reassoc> : f32
    linalg.yield %c : f32
  }
  linalg.generic {indexing_maps = [#all, #rows, #columns, #all],
                  iterator_types = ["parallel", "parallel"]}
      ins(%x, %s, %w : memref<?x40xf32>, memref<?xf32>, memref<40xf32>)
      outs(%y : memref<?x40xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32, %d: f32):
    %r = math.sqrt %b : f32
    %p = arith.mulf %a, %r : f32
    %q = arith.mulf %p, %c : f32
    linalg.yield %q : f32
  }
  return
}

// -----

// Wide rows are divided into blocks of 256 columns, here the last one smaller.

// CHECK-LABEL: func.func @wide
// CHECK-SAME: (%[[X:.*]]: memref<2x1100xf32>, %[[Y:.*]]: memref<2x1100xf32>)
// CHECK: scf.forall (%[[T:.*]], %[[B:.*]]) in (2, 5) {
// CHECK: %[[BEGIN:.*]] = arith.muli %[[B]], %c256
// CHECK: %[[NEXT:.*]] = arith.addi %[[BEGIN]], %c256
// CHECK: %[[END:.*]] = arith.minsi %[[NEXT]], %c1100
// CHECK: %[[VECTOR_END:.*]] = arith.minsi %[[END]], %c1088
// CHECK: scf.for %{{.*}} = %[[BEGIN]] to %[[VECTOR_END]] step %c16
// CHECK: %[[REST:.*]] = arith.maxsi %[[BEGIN]], %c1088
// CHECK: scf.for %{{.*}} = %[[REST]] to %[[END]] step %c1
func.func @wide(%x: memref<2x1100xf32>, %y: memref<2x1100xf32>) {
  memref.copy %x, %y : memref<2x1100xf32> to memref<2x1100xf32>
  return
}

// -----

#all = affine_map<(d0, d1) -> (d0, d1)>
#columns = affine_map<(d0, d1) -> (d1)>

// Single columns where there is no vector form; the row's number is the loop's.

// CHECK-LABEL: func.func @angles
// CHECK: scf.for %{{.*}} = %c0 to %c16 step %c1 {
// CHECK: math.cos %{{.*}} : f64
func.func @angles(%f: memref<1x16xf64>, %y: memref<1x16xf64>) {
  linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]}
      ins(%f : memref<1x16xf64>) outs(%y : memref<1x16xf64>) {
  ^bb0(%a: f64, %b: f64):
    %c = math.cos %a : f64
    linalg.yield %c : f64
  }
  return
}

// CHECK-LABEL: func.func @scalar
// CHECK-SAME: (%[[F:.*]]: memref<16xf64>, %[[Y:.*]]: memref<?x16xf64>)
// CHECK: scf.forall (%[[T:.*]]) in
// CHECK: %[[I:.*]] = arith.index_cast %[[T]] : index to i64
// CHECK: %[[P:.*]] = arith.sitofp %[[I]] : i64 to f64
// CHECK: scf.for %[[C:.*]] = %c0 to %c16 step %c1 {
// CHECK: %[[A:.*]] = memref.load %[[F]][%[[C]]]
// CHECK: %[[B:.*]] = arith.mulf %[[P]], %[[A]] : f64
// CHECK: memref.store %[[B]], %[[Y]][%[[T]], %[[C]]]
func.func @scalar(%f: memref<16xf64>, %y: memref<?x16xf64>) {
  linalg.generic {indexing_maps = [#columns, #all], iterator_types = ["parallel", "parallel"]}
      ins(%f : memref<16xf64>) outs(%y : memref<?x16xf64>) {
  ^bb0(%a: f64, %b: f64):
    %t = linalg.index 0 : index
    %i = arith.index_cast %t : index to i64
    %p = arith.sitofp %i : i64 to f64
    %q = arith.mulf %p, %a : f64
    linalg.yield %q : f64
  }
  return
}

// -----

#all = affine_map<(d0, d1) -> (d0, d1)>
#columns = affine_map<(d0, d1) -> (d1)>

// One loop if rows only use what was computed for the same row; two if they use another row's, or
// if something else happens in between.

// CHECK-LABEL: func.func @other_rows
// CHECK: scf.forall
// CHECK: scf.forall
func.func @other_rows(%x: memref<16x16xf32>, %y: memref<16x16xf32>, %w: memref<16xf32>) {
  memref.copy %x, %y : memref<16x16xf32> to memref<16x16xf32>
  linalg.transpose ins(%y : memref<16x16xf32>) outs(%x : memref<16x16xf32>) permutation = [0, 1]
  linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>],
                  iterator_types = ["parallel"]}
      ins(%w : memref<16xf32>) outs(%w : memref<16xf32>) {
  ^bb0(%a: f32, %b: f32):
    linalg.yield %a : f32
  }
  linalg.generic {indexing_maps = [#columns, #all], iterator_types = ["parallel", "parallel"]}
      ins(%w : memref<16xf32>) outs(%y : memref<16x16xf32>) {
  ^bb0(%a: f32, %b: f32):
    linalg.yield %a : f32
  }
  return
}

// CHECK-LABEL: func.func @between
// CHECK: scf.forall
// CHECK: call @effect
// CHECK: scf.forall
func.func private @effect()
func.func @between(%x: memref<16x16xf32>, %y: memref<16x16xf32>) {
  memref.copy %x, %y : memref<16x16xf32> to memref<16x16xf32>
  call @effect() : () -> ()
  memref.copy %y, %x : memref<16x16xf32> to memref<16x16xf32>
  return
}
