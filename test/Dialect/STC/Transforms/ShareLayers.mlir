// RUN: stc-opt %s --stc-share-layers --split-input-file | FileCheck %s

// A run of three equal layers: one function, one repeat. Layer numbers become the index, whether
// the constant lies inside the layer or outside.

// CHECK-LABEL: func.func @run
// CHECK-SAME: (%[[H:.*]]: tensor<?x4xf32>, %[[P:.*]]: index, %[[CACHE:.*]]: !stc.kv_cache
// CHECK-NEXT: %[[Y:.*]] = stc.repeat @run_layer(%[[H]])
// CHECK-SAME: captures(%[[CACHE]], %[[P]] : {{.*}}, index) first 0
// CHECK-SAME: weights {{\[\[}}@n0, @w0], [@n1, @w1], [@n2, @w2{{\]\]}}
// CHECK-NEXT: return %[[Y]]

// CHECK-LABEL: func.func private @run_layer
// CHECK-SAME: (%[[X:[^:]*]]: tensor<?x4xf32>, %[[I:[^:]*]]: index, %[[C:[^:]*]]: !stc.kv_cache<{{[^>]*}}>, %[[P:[^:]*]]: index, %[[N:[^:]*]]: tensor<4xf32>, %[[W:[^:]*]]: tensor<4x4xf32>) -> tensor<?x4xf32>
// CHECK-NEXT: %[[A:.*]] = stc.rms_norm %[[X]], %[[N]]
// CHECK-NEXT: %[[B:.*]] = stc.linear %[[A]], %[[W]]
// CHECK-NEXT: stc.cache_update %[[B]], %[[B]], %[[C]][%[[I]], %[[P]]]
// CHECK-NEXT: %[[T:.*]] = stc.attention %[[B]], %[[C]][%[[I]], %[[P]]]
// CHECK-NEXT: %[[O:.*]] = stc.linear %[[T]], %[[W]]
// CHECK-NEXT: return %[[O]]
!cache = !stc.kv_cache<layers = 3, kv_heads = 1, head_dim = 4, capacity = 16>
stc.weight @n0 : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
stc.weight @w0 : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}
stc.weight @n1 : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
stc.weight @w1 : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}
stc.weight @n2 : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
stc.weight @w2 : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}
func.func @run(%h: tensor<?x4xf32>, %position: index, %cache: !cache) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %0 = stc.layer 0 (%x = %h : tensor<?x4xf32>) {
    %w = stc.get_weight @w0 : tensor<4x4xf32>
    %n = stc.get_weight @n0 : tensor<4xf32>
    %a = stc.rms_norm %x, %n epsilon 1.0e-05 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    %b = stc.linear %a, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    stc.cache_update %b, %b, %cache[%c0, %position] : tensor<?x4xf32>, tensor<?x4xf32>, !cache
    %t = stc.attention %b, %cache[%c0, %position] heads 1 scale 5.0e-01 window 0
        : (tensor<?x4xf32>, !cache, index, index) -> tensor<?x4xf32>
    %o = stc.linear %t, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    stc.yield %o : tensor<?x4xf32>
  }
  %1 = stc.layer 1 (%x = %0 : tensor<?x4xf32>) {
    %n = stc.get_weight @n1 : tensor<4xf32>
    %w = stc.get_weight @w1 : tensor<4x4xf32>
    %c1 = arith.constant 1 : index
    %a = stc.rms_norm %x, %n epsilon 1.0e-05 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    %b = stc.linear %a, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    stc.cache_update %b, %b, %cache[%c1, %position] : tensor<?x4xf32>, tensor<?x4xf32>, !cache
    %t = stc.attention %b, %cache[%c1, %position] heads 1 scale 5.0e-01 window 0
        : (tensor<?x4xf32>, !cache, index, index) -> tensor<?x4xf32>
    %o = stc.linear %t, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    stc.yield %o : tensor<?x4xf32>
  }
  %n = stc.get_weight @n2 : tensor<4xf32>
  %w = stc.get_weight @w2 : tensor<4x4xf32>
  %2 = stc.layer 2 (%x = %1 : tensor<?x4xf32>) {
    %a = stc.rms_norm %x, %n epsilon 1.0e-05 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    %b = stc.linear %a, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    stc.cache_update %b, %b, %cache[%c2, %position] : tensor<?x4xf32>, tensor<?x4xf32>, !cache
    %t = stc.attention %b, %cache[%c2, %position] heads 1 scale 5.0e-01 window 0
        : (tensor<?x4xf32>, !cache, index, index) -> tensor<?x4xf32>
    %o = stc.linear %t, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    stc.yield %o : tensor<?x4xf32>
  }
  return %2 : tensor<?x4xf32>
}

// -----

// Layers of another weight type have a function of their own; equal ones share it across the gap,
// and functions of other shapes do not.

// CHECK-LABEL: func.func @mixed
// CHECK: %[[A:.*]] = stc.repeat @mixed_layer(%{{.*}}) first 0 weights {{\[\[}}@a{{\]\]}}
// CHECK: %[[B:.*]] = stc.repeat @mixed_layer_0(%[[A]]) first 1 weights {{\[\[}}@b{{\]\]}}
// CHECK: %[[C:.*]] = stc.repeat @mixed_layer(%[[B]]) first 2 weights {{\[\[}}@a], [@c{{\]\]}}
// CHECK: return %[[C]]
// CHECK-DAG: func.func private @mixed_layer(%{{[^:]*}}: tensor<?x4xf32>, %{{[^:]*}}: index, %{{[^:]*}}: tensor<4xf32>)
// CHECK-DAG: func.func private @mixed_layer_0(%{{[^:]*}}: tensor<?x4xf32>, %{{[^:]*}}: index, %{{[^:]*}}: tensor<4xbf16>)
// CHECK-LABEL: func.func @again
// CHECK: stc.repeat @mixed_layer(
// CHECK-LABEL: func.func @other_shape
// CHECK: stc.repeat @other_shape_layer(
stc.weight @a : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
stc.weight @b : tensor<4xbf16> {value = dense<1.0> : tensor<4xbf16>}
stc.weight @c : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
func.func @mixed(%h: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = stc.layer 0 (%x = %h : tensor<?x4xf32>) {
    %w = stc.get_weight @a : tensor<4xf32>
    %y = stc.rms_norm %x, %w epsilon 1.0e-05 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  %1 = stc.layer 1 (%x = %0 : tensor<?x4xf32>) {
    %w = stc.get_weight @b : tensor<4xbf16>
    %y = stc.rms_norm %x, %w epsilon 1.0e-05 : (tensor<?x4xf32>, tensor<4xbf16>) -> tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  %2 = stc.layer 2 (%x = %1 : tensor<?x4xf32>) {
    %w = stc.get_weight @a : tensor<4xf32>
    %y = stc.rms_norm %x, %w epsilon 1.0e-05 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  %3 = stc.layer 3 (%x = %2 : tensor<?x4xf32>) {
    %w = stc.get_weight @c : tensor<4xf32>
    %y = stc.rms_norm %x, %w epsilon 1.0e-05 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  return %3 : tensor<?x4xf32>
}
func.func @again(%h: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = stc.layer 7 (%x = %h : tensor<?x4xf32>) {
    %w = stc.get_weight @c : tensor<4xf32>
    %y = stc.rms_norm %x, %w epsilon 1.0e-05 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  return %0 : tensor<?x4xf32>
}
func.func @other_shape(%h: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %0 = stc.layer 0 (%x = %h : tensor<1x4xf32>) {
    %w = stc.get_weight @c : tensor<4xf32>
    %y = stc.rms_norm %x, %w epsilon 1.0e-05 : (tensor<1x4xf32>, tensor<4xf32>) -> tensor<1x4xf32>
    stc.yield %y : tensor<1x4xf32>
  }
  return %0 : tensor<1x4xf32>
}

// -----

// What breaks a run: an attribute, another capture, a gap in the numbers, an effect in between, a
// second use, a constant that is not the layer's number, one weight used twice.

// CHECK-LABEL: func.func @breaks
// CHECK: stc.repeat @breaks_layer(%{{.*}}) first 0 weights {{\[\[}}@a{{\]\]}}
// CHECK: stc.repeat @breaks_layer_0(%{{.*}}) first 1 weights {{\[\[}}@a{{\]\]}}
// CHECK: stc.repeat @[[F:breaks_layer_[0-9]+]](%{{.*}}) captures(%{{.*}} : tensor<?x4xf32>) first 2
// CHECK: stc.repeat @[[F]](%{{.*}}) captures(%{{.*}} : tensor<?x4xf32>) first 3
// CHECK: stc.repeat @breaks_layer(%{{.*}}) first 4 weights {{\[\[}}@a{{\]\]}}
// CHECK: stc.repeat @breaks_layer(%{{.*}}) first 6 weights {{\[\[}}@a{{\]\]}}
// CHECK: call @effect
// CHECK: stc.repeat @breaks_layer(%{{.*}}) first 7 weights {{\[\[}}@a{{\]\]}}
// CHECK: stc.repeat @breaks_layer(%{{.*}}) first 8 weights {{\[\[}}@a{{\]\]}}
// CHECK: arith.addf
stc.weight @a : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
func.func private @effect()
func.func @breaks(%h: tensor<?x4xf32>, %p: tensor<?x4xf32>, %q: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %w = stc.get_weight @a : tensor<4xf32>
  %0 = stc.layer 0 (%x = %h : tensor<?x4xf32>) {
    %y = stc.rms_norm %x, %w epsilon 1.0e-05 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  %1 = stc.layer 1 (%x = %0 : tensor<?x4xf32>) {
    %y = stc.rms_norm %x, %w epsilon 1.0e-06 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  %2 = stc.layer 2 (%x = %1 : tensor<?x4xf32>) {
    %y = arith.addf %x, %p : tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  %3 = stc.layer 3 (%x = %2 : tensor<?x4xf32>) {
    %y = arith.addf %x, %q : tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  %4 = stc.layer 4 (%x = %3 : tensor<?x4xf32>) {
    %y = stc.rms_norm %x, %w epsilon 1.0e-05 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  %5 = stc.layer 6 (%x = %4 : tensor<?x4xf32>) {
    %y = stc.rms_norm %x, %w epsilon 1.0e-05 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  call @effect() : () -> ()
  %6 = stc.layer 7 (%x = %5 : tensor<?x4xf32>) {
    %y = stc.rms_norm %x, %w epsilon 1.0e-05 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  %7 = stc.layer 8 (%x = %6 : tensor<?x4xf32>) {
    %y = stc.rms_norm %x, %w epsilon 1.0e-05 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  %8 = arith.addf %6, %7 : tensor<?x4xf32>
  return %8 : tensor<?x4xf32>
}

// -----

// Constants belong to the function; a number of another layer is such a constant.

// CHECK-LABEL: func.func @constants
// CHECK: stc.repeat @constants_layer(%{{.*}}) captures(%{{.*}} : index) first 0 weights {{\[\[}}], [{{\]\]}}
// CHECK: stc.repeat @constants_layer_0(%{{.*}}) captures(%{{.*}}, %{{.*}} : {{.*}}) first 2 weights {{\[\[}}{{\]\]}}
// CHECK-LABEL: func.func private @constants_layer_0
// CHECK: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK: stc.cache_update %{{.*}}, %{{.*}}, %{{.*}}[%[[ZERO]], %{{.*}}]
// CHECK-LABEL: func.func private @constants_layer
// CHECK: %[[TWO:.*]] = arith.constant 2 : index
// CHECK: tensor.dim
!cache = !stc.kv_cache<layers = 3, kv_heads = 1, head_dim = 4, capacity = 16>
func.func @constants(%h: tensor<?x4xf32>, %p: index, %cache: !cache) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %0 = stc.layer 0 (%x = %h : tensor<?x4xf32>) {
    %d = arith.addi %c2, %p : index
    %e = tensor.empty(%d) : tensor<?x4xf32>
    %n = tensor.dim %e, %c0 : tensor<?x4xf32>
    %y = tensor.empty(%n) : tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  %1 = stc.layer 1 (%x = %0 : tensor<?x4xf32>) {
    %two = arith.constant 2 : index
    %d = arith.addi %two, %p : index
    %e = tensor.empty(%d) : tensor<?x4xf32>
    %n = tensor.dim %e, %c0 : tensor<?x4xf32>
    %y = tensor.empty(%n) : tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  %2 = stc.layer 2 (%x = %1 : tensor<?x4xf32>) {
    stc.cache_update %x, %x, %cache[%c0, %p] : tensor<?x4xf32>, tensor<?x4xf32>, !cache
    stc.yield %x : tensor<?x4xf32>
  }
  return %2 : tensor<?x4xf32>
}

// -----

// The function's name is made unique.

// CHECK: stc.repeat @f_layer_0(
// CHECK: func.func private @f_layer_0(
// CHECK: func.func private @f_layer()
func.func @f(%h: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = stc.layer 0 (%x = %h : tensor<?x4xf32>) {
    stc.yield %x : tensor<?x4xf32>
  }
  return %0 : tensor<?x4xf32>
}
func.func private @f_layer()

// -----

// Layers whose repeats (of experts) differ in weights only: one function, whose repeat takes the rows
// of the layer it is in. No layer 1 calls it: its rows are there, and never used.

// CHECK-LABEL: func.func @experts
// CHECK: stc.repeat @experts_layer(%{{.*}}) first 0 weights {{\[\[\]\]}}
// CHECK: stc.repeat @experts_layer_{{[0-9]+}}(%{{.*}}) first 1 weights {{\[\[\]\]}}
// CHECK: stc.repeat @experts_layer(%{{.*}}) first 2 weights {{\[\[\]\]}}
// CHECK-LABEL: func.func private @experts_layer(
// CHECK-SAME: %[[H:[^:]*]]: tensor<?x4xf32>, %[[L:[^:]*]]: index
// CHECK: %[[TWO:.*]] = arith.constant 2 : index
// CHECK: %[[ROW:.*]] = arith.muli %[[L]], %[[TWO]]
// CHECK: stc.repeat @one(%[[H]]) first 0 rows %[[ROW]] count 2
// CHECK-SAME: weights {{\[\[}}@a, @b], [@b, @b], [@a, @b], [@b, @b], [@c, @d], [@d, @d]]
stc.weight @a : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
stc.weight @b : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
stc.weight @c : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
stc.weight @d : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
func.func private @one(%h: tensor<?x4xf32>, %e: index, %a: tensor<4xf32>, %b: tensor<4xf32>)
    -> tensor<?x4xf32> {
  return %h : tensor<?x4xf32>
}
func.func @experts(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %0 = stc.layer 0 (%h = %x : tensor<?x4xf32>) {
    %y = stc.repeat @one(%h) first 0 weights [[@a, @b], [@b, @b]] : tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  %1 = stc.layer 1 (%h = %0 : tensor<?x4xf32>) {
    %y = stc.repeat @one(%h) first 0 weights [[@a, @b]] : tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  %2 = stc.layer 2 (%h = %1 : tensor<?x4xf32>) {
    %y = stc.repeat @one(%h) first 0 weights [[@c, @d], [@d, @d]] : tensor<?x4xf32>
    stc.yield %y : tensor<?x4xf32>
  }
  return %2 : tensor<?x4xf32>
}

// -----

// A decoder behind an encoder also reads layers of the cache that lie a fixed distance behind its own:
// one function, which adds that distance to its index.

// CHECK-LABEL: func.func @crossed
// CHECK: stc.repeat @crossed_layer(%{{.*}}) captures({{.*}}) first 0 weights {{\[\[\], \[\]\]}}
// Another distance is another function.
// CHECK: stc.repeat @crossed_layer_{{[0-9]+}}(%{{.*}}) captures({{.*}}) first 2 weights
// CHECK-LABEL: func.func private @crossed_layer(
// CHECK-SAME: %{{[^:]*}}: tensor<?x4xf32>, %[[I:[^:]*]]: index
// CHECK: %[[THREE:.*]] = arith.constant 3 : index
// CHECK: %[[L:.*]] = arith.addi %[[I]], %[[THREE]]
// CHECK: stc.attention %{{.*}}, %{{.*}}[%[[I]],
// CHECK: stc.attention %{{.*}}, %{{.*}}[%[[L]],
!cache = !stc.kv_cache<layers = 6, kv_heads = 1, head_dim = 4, capacity = 16>
func.func @crossed(%h: tensor<?x4xf32>, %p: index, %encoded: index, %cache: !cache)
    -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %0 = stc.layer 0 (%x = %h : tensor<?x4xf32>) {
    %s = stc.attention %x, %cache[%c0, %p] heads 1 scale 5.0e-01 window 0
        : (tensor<?x4xf32>, !cache, index, index) -> tensor<?x4xf32>
    %t = stc.attention %s, %cache[%c3, %p] to %encoded heads 1 scale 5.0e-01 window 0
        : (tensor<?x4xf32>, !cache, index, index, index) -> tensor<?x4xf32>
    stc.yield %t : tensor<?x4xf32>
  }
  %1 = stc.layer 1 (%x = %0 : tensor<?x4xf32>) {
    %s = stc.attention %x, %cache[%c1, %p] heads 1 scale 5.0e-01 window 0
        : (tensor<?x4xf32>, !cache, index, index) -> tensor<?x4xf32>
    %t = stc.attention %s, %cache[%c4, %p] to %encoded heads 1 scale 5.0e-01 window 0
        : (tensor<?x4xf32>, !cache, index, index, index) -> tensor<?x4xf32>
    stc.yield %t : tensor<?x4xf32>
  }
  %2 = stc.layer 2 (%x = %1 : tensor<?x4xf32>) {
    %s = stc.attention %x, %cache[%c2, %p] heads 1 scale 5.0e-01 window 0
        : (tensor<?x4xf32>, !cache, index, index) -> tensor<?x4xf32>
    %t = stc.attention %s, %cache[%c4, %p] to %encoded heads 1 scale 5.0e-01 window 0
        : (tensor<?x4xf32>, !cache, index, index, index) -> tensor<?x4xf32>
    stc.yield %t : tensor<?x4xf32>
  }
  return %2 : tensor<?x4xf32>
}
