// RUN: stc-opt %s --packed-lower-repeat | FileCheck %s

!norm = !packed.weight<1x4, #packed.layout<rows, f32>>

packed.weight @a.0 : !norm offset 0 bytes 192 density 1.0
packed.weight @b.0 : !norm offset 192 bytes 192 density 1.0
packed.weight @a.1 : !norm offset 384 bytes 192 density 1.0
packed.weight @b.1 : !norm offset 576 bytes 192 density 1.0

func.func private @layer(%h: tensor<?x4xf32>, %i: index, %p: index, %a: !norm, %b: !norm)
    -> tensor<?x4xf32> {
  return %h : tensor<?x4xf32>
}
func.func private @plain(%h: tensor<?x4xf32>, %i: index) -> tensor<?x4xf32> {
  return %h : tensor<?x4xf32>
}

// The call is there once, whatever the number of rows; the index counts from `first`.

// CHECK-LABEL: func.func @repeat
// CHECK-SAME: (%[[X:.*]]: tensor<?x4xf32>, %[[P:.*]]: index)
// CHECK-DAG: %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG: %[[C1:.*]] = arith.constant 1 : index
// CHECK-DAG: %[[ROWS:.*]] = arith.constant 2 : index
// CHECK-DAG: %[[FIRST:.*]] = arith.constant 3 : index
// CHECK: %[[Y:.*]] = scf.for %[[I:.*]] = %[[C0]] to %[[ROWS]] step %[[C1]] iter_args(%[[H:.*]] = %[[X]])
// CHECK: %[[LAYER:.*]] = arith.addi %[[FIRST]], %[[I]]
// CHECK: %[[W:.*]]:2 = packed.weight_row %[[I]] of {{\[\[}}@a.0, @b.0], [@a.1, @b.1]]
// CHECK: %[[NEXT:.*]] = func.call @layer(%[[H]], %[[LAYER]], %[[P]], %[[W]]#0, %[[W]]#1)
// CHECK: scf.yield %[[NEXT]]
// CHECK: return %[[Y]]
func.func @repeat(%x: tensor<?x4xf32>, %p: index) -> tensor<?x4xf32> {
  %y = stc.repeat @layer(%x) captures(%p : index) first 3
      weights [[@a.0, @b.0], [@a.1, @b.1]] : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @no_weights
// CHECK-NOT: packed.weight_row
// CHECK: func.call @plain
func.func @no_weights(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = stc.repeat @plain(%x) first 0 weights [[], []] : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// Rows of one layer's experts: two calls, whose weights begin at a row that is known later.
// CHECK-LABEL: func.func @rows
// CHECK-SAME: (%[[X:.*]]: tensor<?x4xf32>, %[[P:.*]]: index, %[[FROM:.*]]: index)
// CHECK-DAG: %[[CALLS:.*]] = arith.constant 1 : index
// CHECK: scf.for %[[I:.*]] = %{{.*}} to %{{.*}} step
// CHECK: %[[ROW:.*]] = arith.addi %[[FROM]], %[[I]]
// CHECK: packed.weight_row %[[ROW]] of {{\[\[}}@a.0, @b.0], [@a.1, @b.1]]
func.func @rows(%x: tensor<?x4xf32>, %p: index, %from: index) -> tensor<?x4xf32> {
  %y = stc.repeat @layer(%x) captures(%p : index) first 0 rows %from count 1
      weights [[@a.0, @b.0], [@a.1, @b.1]] : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
