// What each head has of its own, a sink logit and a slope, goes with the head: here with heads 1 and 2,
// whose queries are smallest in their groups.
// RUN: stc-opt %s --stc-prune-structure='heads=0.5 verbose=true' 2>&1 | FileCheck %s

// CHECK: stc.weight @q : tensor<4x2xf32>
// CHECK-SAME: slice = #stc.slice<of = [8, 2], rows = [0, 2, 6, 8]>
// CHECK: stc.weight @sinks : tensor<2xf32>
// CHECK-SAME: slice = #stc.slice<of = [4], rows = [0, 1, 3, 4]>
stc.weight @q : tensor<8x2xf32> {value = dense<[[9., 9.], [9., 9.], [1., 1.], [1., 1.],
                                               [1., 1.], [1., 1.], [9., 9.], [9., 9.]]> : tensor<8x2xf32>}
stc.weight @k : tensor<4x2xf32> {value = dense<1.0> : tensor<4x2xf32>}
stc.weight @v : tensor<4x2xf32> {value = dense<1.0> : tensor<4x2xf32>}
stc.weight @o : tensor<2x8xf32> {value = dense<1.0> : tensor<2x8xf32>}
stc.weight @sinks : tensor<4xf32> {value = dense<[0.5, 1.5, 2.5, 3.5]> : tensor<4xf32>}

// CHECK-LABEL: func.func @forward
// CHECK: %[[S:.*]] = stc.get_weight @sinks : tensor<2xf32>
// CHECK: stc.attention %{{.*}} sink_logits %[[S]] heads 2 scale 5.000000e-01 window 0 slopes [1.000000e+00, 1.250000e-01]
func.func @forward(%x: tensor<?x2xf32>, %position: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 2, capacity = 16>) -> tensor<?x2xf32> {
  %0 = stc.layer 0 (%h = %x : tensor<?x2xf32>) {
    %layer = arith.constant 0 : index
    %wq = stc.get_weight @q : tensor<8x2xf32>
    %q = stc.linear %h, %wq : (tensor<?x2xf32>, tensor<8x2xf32>) -> tensor<?x8xf32>
    %wk = stc.get_weight @k : tensor<4x2xf32>
    %k = stc.linear %h, %wk : (tensor<?x2xf32>, tensor<4x2xf32>) -> tensor<?x4xf32>
    %wv = stc.get_weight @v : tensor<4x2xf32>
    %v = stc.linear %h, %wv : (tensor<?x2xf32>, tensor<4x2xf32>) -> tensor<?x4xf32>
    stc.cache_update %k, %v, %cache[%layer, %position] : tensor<?x4xf32>, tensor<?x4xf32>,
        !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 2, capacity = 16>
    %s = stc.get_weight @sinks : tensor<4xf32>
    %a = stc.attention %q, %cache[%layer, %position] sink_logits %s heads 4 scale 5.0e-01 window 0
        slopes [1.0, 0.5, 0.25, 0.125]
        : (tensor<?x8xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 2, capacity = 16>,
           index, index, tensor<4xf32>) -> tensor<?x8xf32>
    %wo = stc.get_weight @o : tensor<2x8xf32>
    %y = stc.linear %a, %wo : (tensor<?x8xf32>, tensor<2x8xf32>) -> tensor<?x2xf32>
    %sum = arith.addf %h, %y : tensor<?x2xf32>
    stc.yield %sum : tensor<?x2xf32>
  }
  return %0 : tensor<?x2xf32>
}
