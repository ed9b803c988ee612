// RUN: stc-opt %s --packed-lower-experts | FileCheck %s

// Tokens that chose the expert are counted and gathered; nothing runs where there are none.
// CHECK-LABEL: @many
// CHECK-SAME: (%[[S:.*]]: tensor<?x4xf32>, %[[E:.*]]: index, %[[X:.*]]: tensor<?x4xf32>, %[[G:.*]]: tensor<?x2xf32>)
// CHECK: %[[TOKENS:.*]] = tensor.dim %[[X]]
// CHECK: %[[COUNT:.*]] = scf.for %[[T:.*]] = %{{.*}} to %[[TOKENS]]
// CHECK: tensor.extract %[[G]][%[[T]], %[[E]]]
// CHECK: %[[ANY:.*]] = arith.cmpi ne, %[[COUNT]]
// CHECK: %[[Y:.*]] = scf.if %[[ANY]] -> (tensor<?x4xf32>) {
// CHECK: %[[EMPTY:.*]] = tensor.empty(%[[TOKENS]]) : tensor<?xi32>
// CHECK: %[[LIST:.*]] = packed.select_tokens ins(%[[G]][%[[E]]] : tensor<?x2xf32>) outs(%[[EMPTY]]
// CHECK: %[[ROWS:.*]] = tensor.empty(%[[COUNT]]) : tensor<?x4xf32>
// CHECK: %[[OWN:.*]] = packed.gather_tokens ins(%[[X]], %[[LIST]] : {{.*}}) outs(%[[ROWS]]
// CHECK: %[[D:.*]] = arith.addf %[[OWN]], %[[OWN]]
// CHECK: %[[SUM:.*]] = packed.scatter_add ins(%[[D]] : {{.*}}) gates(%[[G]][%[[E]]] : {{.*}}) tokens(%[[LIST]] : {{.*}}) outs(%[[S]]
// CHECK: scf.yield %[[SUM]]
// CHECK: } else {
// CHECK: scf.yield %[[S]]
// CHECK: return %[[Y]]
func.func @many(%s: tensor<?x4xf32>, %e: index, %x: tensor<?x4xf32>, %g: tensor<?x2xf32>)
    -> tensor<?x4xf32> {
  %y = stc.expert %e of %g (%t = %x : tensor<?x4xf32>) add %s : tensor<?x2xf32>, tensor<?x4xf32> {
    %d = arith.addf %t, %t : tensor<?x4xf32>
    stc.yield %d : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// One token is where it is.
// CHECK-LABEL: @one
// CHECK-NOT: packed.gather_tokens
// CHECK: scf.if
// CHECK: packed.scatter_add ins(%{{.*}} : tensor<1x4xf32>) gates(%{{.*}}[%{{.*}}] : tensor<1x2xf32>) outs(
func.func @one(%s: tensor<1x4xf32>, %e: index, %x: tensor<1x4xf32>, %g: tensor<1x2xf32>)
    -> tensor<1x4xf32> {
  %y = stc.expert %e of %g (%t = %x : tensor<1x4xf32>) add %s : tensor<1x2xf32>, tensor<1x4xf32> {
    stc.yield %t : tensor<1x4xf32>
  }
  return %y : tensor<1x4xf32>
}
