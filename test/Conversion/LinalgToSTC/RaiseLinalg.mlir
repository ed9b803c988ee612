// RUN: stc-opt %s --stc-raise-linalg --split-input-file | FileCheck %s
// RUN: stc-opt %s --stc-raise-linalg --split-input-file --verify-diagnostics -o /dev/null

// Products with a weight of [outputs, inputs].

#tk = affine_map<(t, n, k) -> (t, k)>
#nk = affine_map<(t, n, k) -> (n, k)>
#tn = affine_map<(t, n, k) -> (t, n)>

// CHECK-LABEL: func.func @matmul_by_maps
// CHECK-SAME: (%[[X:.*]]: tensor<?x4xf32>, %[[W:.*]]: tensor<8x4xf32>, %{{.*}}: tensor<?x8xf32>)
// CHECK-NEXT: %[[Y:.*]] = stc.linear %[[X]], %[[W]] : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
// CHECK-NEXT: return %[[Y]]
func.func @matmul_by_maps(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %empty: tensor<?x8xf32>)
    -> tensor<?x8xf32> {
  %zero = arith.constant 0.0 : f32
  %zeros = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = linalg.matmul indexing_maps = [#tk, #nk, #tn]
      ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>) outs(%zeros : tensor<?x8xf32>)
      -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @matmul_of_a_transpose
// CHECK-SAME: (%[[X:.*]]: tensor<5x4xf32>, %[[W:.*]]: tensor<8x4xf32>)
// CHECK-NEXT: stc.linear %[[X]], %[[W]] :
// CHECK-NEXT: return
func.func @matmul_of_a_transpose(%x: tensor<5x4xf32>, %w: tensor<8x4xf32>) -> tensor<5x8xf32> {
  %zeros = arith.constant dense<0.0> : tensor<5x8xf32>
  %empty = tensor.empty() : tensor<4x8xf32>
  %t = linalg.transpose ins(%w : tensor<8x4xf32>) outs(%empty : tensor<4x8xf32>)
      permutation = [1, 0]
  %y = linalg.matmul ins(%x, %t : tensor<5x4xf32>, tensor<4x8xf32>)
      outs(%zeros : tensor<5x8xf32>) -> tensor<5x8xf32>
  return %y : tensor<5x8xf32>
}

// A bias that the sum starts from, and one that is added after it; a weight that is widened.

// CHECK-LABEL: func.func @biases
// CHECK-SAME: (%[[X:.*]]: tensor<5x4xf32>, %[[W:.*]]: tensor<4x4xbf16>, %[[B:.*]]: tensor<4xf32>)
// CHECK-NEXT: %[[Y:.*]] = stc.linear %[[X]], %[[W]] bias %[[B]] : (tensor<5x4xf32>, tensor<4x4xbf16>, tensor<4xf32>) -> tensor<5x4xf32>
// CHECK-NEXT: %[[Z:.*]] = stc.linear %[[Y]], %[[W]] bias %[[B]] :
// CHECK-NEXT: return %[[Z]]
func.func @biases(%x: tensor<5x4xf32>, %w: tensor<4x4xbf16>, %b: tensor<4xf32>) -> tensor<5x4xf32> {
  %empty = tensor.empty() : tensor<5x4xf32>
  %zeros = arith.constant dense<0.0> : tensor<5x4xf32>
  %start = linalg.broadcast ins(%b : tensor<4xf32>) outs(%empty : tensor<5x4xf32>) dimensions = [0]
  %y = linalg.generic {indexing_maps = [#tk, #nk, #tn],
                       iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<5x4xf32>, tensor<4x4xbf16>) outs(%start : tensor<5x4xf32>) {
  ^bb0(%a: f32, %c: bf16, %sum: f32):
    %wide = arith.extf %c : bf16 to f32
    %product = arith.mulf %a, %wide : f32
    %next = arith.addf %sum, %product : f32
    linalg.yield %next : f32
  } -> tensor<5x4xf32>
  %p = linalg.generic {indexing_maps = [#tk, #nk, #tn],
                       iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%y, %w : tensor<5x4xf32>, tensor<4x4xbf16>) outs(%zeros : tensor<5x4xf32>) {
  ^bb0(%a: f32, %c: bf16, %sum: f32):
    %wide = arith.extf %c : bf16 to f32
    %product = arith.mulf %a, %wide : f32
    %next = arith.addf %sum, %product : f32
    linalg.yield %next : f32
  } -> tensor<5x4xf32>
  %z = linalg.generic {indexing_maps = [affine_map<(t, c) -> (t, c)>, affine_map<(t, c) -> (c)>,
                                        affine_map<(t, c) -> (t, c)>],
                       iterator_types = ["parallel", "parallel"]}
      ins(%p, %b : tensor<5x4xf32>, tensor<4xf32>) outs(%empty : tensor<5x4xf32>) {
  ^bb0(%a: f32, %c: f32, %out: f32):
    %sum = arith.addf %a, %c : f32
    linalg.yield %sum : f32
  } -> tensor<5x4xf32>
  return %z : tensor<5x4xf32>
}

// -----

// A normalization in single steps, with a dimension that stays: named operations, a reduction, a
// mean by a factor.

// CHECK-LABEL: func.func @norm_in_steps
// CHECK-SAME: (%[[X:.*]]: tensor<5x4xf32>, %[[W:.*]]: tensor<4xf32>)
// CHECK-NEXT: %[[Y:.*]] = stc.rms_norm %[[X]], %[[W]] epsilon 2.500000e-01 : (tensor<5x4xf32>, tensor<4xf32>) -> tensor<5x4xf32>
// CHECK-NEXT: return %[[Y]]
func.func @norm_in_steps(%x: tensor<5x4xf32>, %w: tensor<4xf32>) -> tensor<5x4xf32> {
  %wide = tensor.empty() : tensor<5x4xf32>
  %narrow = tensor.empty() : tensor<5xf32>
  %kept = tensor.empty() : tensor<5x1xf32>
  %zeros = arith.constant dense<0.0> : tensor<5xf32>
  %squares = linalg.mul ins(%x, %x : tensor<5x4xf32>, tensor<5x4xf32>) outs(%wide : tensor<5x4xf32>)
      -> tensor<5x4xf32>
  %sums = linalg.reduce { arith.addf } ins(%squares : tensor<5x4xf32>) outs(%zeros : tensor<5xf32>)
      dimensions = [1]
  %column = tensor.expand_shape %sums [[0, 1]] output_shape [5, 1] : tensor<5xf32> into tensor<5x1xf32>
  %quarter = arith.constant dense<0.25> : tensor<5x1xf32>
  %means = linalg.mul ins(%column, %quarter : tensor<5x1xf32>, tensor<5x1xf32>)
      outs(%kept : tensor<5x1xf32>) -> tensor<5x1xf32>
  %shifted = linalg.add ins(%means, %quarter : tensor<5x1xf32>, tensor<5x1xf32>)
      outs(%kept : tensor<5x1xf32>) -> tensor<5x1xf32>
  %inverse = linalg.rsqrt ins(%shifted : tensor<5x1xf32>) outs(%kept : tensor<5x1xf32>)
      -> tensor<5x1xf32>
  %flat = tensor.collapse_shape %inverse [[0, 1]] : tensor<5x1xf32> into tensor<5xf32>
  %factors = linalg.broadcast ins(%flat : tensor<5xf32>) outs(%wide : tensor<5x4xf32>) dimensions = [1]
  %normal = linalg.mul ins(%factors, %x : tensor<5x4xf32>, tensor<5x4xf32>)
      outs(%wide : tensor<5x4xf32>) -> tensor<5x4xf32>
  %weights = linalg.broadcast ins(%w : tensor<4xf32>) outs(%wide : tensor<5x4xf32>) dimensions = [0]
  %y = linalg.mul ins(%normal, %weights : tensor<5x4xf32>, tensor<5x4xf32>)
      outs(%wide : tensor<5x4xf32>) -> tensor<5x4xf32>
  return %y : tensor<5x4xf32>
}

// What stc.rms_norm itself becomes, divided by the root and without epsilon.

// CHECK-LABEL: func.func @norm_by_division
// CHECK: stc.rms_norm %{{.*}}, %{{.*}} epsilon 0.000000e+00
// CHECK-NEXT: return
func.func @norm_by_division(%x: tensor<?x4xf32>, %w: tensor<4xf32>, %rows: tensor<?xf32>)
    -> tensor<?x4xf32> {
  %zero = arith.constant 0.0 : f32
  %four = arith.constant 4.0 : f32
  %two = arith.constant 2.0 : f32
  %zeros = linalg.fill ins(%zero : f32) outs(%rows : tensor<?xf32>) -> tensor<?xf32>
  %sums = linalg.generic {indexing_maps = [affine_map<(t, c) -> (t, c)>, affine_map<(t, c) -> (t)>],
                          iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<?x4xf32>) outs(%zeros : tensor<?xf32>) {
  ^bb0(%a: f32, %sum: f32):
    %square = math.powf %a, %two : f32
    %next = arith.addf %square, %sum : f32
    linalg.yield %next : f32
  } -> tensor<?xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(t, c) -> (t, c)>, affine_map<(t, c) -> (t)>,
                                        affine_map<(t, c) -> (c)>, affine_map<(t, c) -> (t, c)>],
                       iterator_types = ["parallel", "parallel"]}
      ins(%x, %sums, %w : tensor<?x4xf32>, tensor<?xf32>, tensor<4xf32>) outs(%x : tensor<?x4xf32>) {
  ^bb0(%a: f32, %sum: f32, %b: f32, %out: f32):
    %mean = arith.divf %sum, %four : f32
    %root = math.sqrt %mean : f32
    %normal = arith.divf %a, %root : f32
    %scaled = arith.mulf %b, %normal : f32
    linalg.yield %scaled : f32
  } -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// Layer normalizations: in single steps with a bias, and what stc.layer_norm itself becomes, divided
// by the root. What the mean is taken from is no RMS normalization of its own.

#all = affine_map<(t, c) -> (t, c)>
#rows = affine_map<(t, c) -> (t)>
#columns = affine_map<(t, c) -> (c)>

// CHECK-LABEL: func.func @layer_norm
// CHECK-SAME: (%[[X:.*]]: tensor<5x4xf32>, %[[W:.*]]: tensor<4xf32>, %[[B:.*]]: tensor<4xf32>)
// CHECK-NEXT: %[[Y:.*]] = stc.layer_norm %[[X]], %[[W]] bias %[[B]] epsilon 2.500000e-01 :
// CHECK-NEXT: %[[Z:.*]] = stc.layer_norm %[[Y]], %[[W]] epsilon 0.000000e+00 :
// CHECK-NEXT: return %[[Z]]
func.func @layer_norm(%x: tensor<5x4xf32>, %w: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<5x4xf32> {
  %wide = tensor.empty() : tensor<5x4xf32>
  %zeros = arith.constant dense<0.0> : tensor<5xf32>
  %four = arith.constant 4.0 : f32
  %quarter = arith.constant 0.25 : f32
  %sum1 = linalg.reduce { arith.addf } ins(%x : tensor<5x4xf32>) outs(%zeros : tensor<5xf32>) dimensions = [1]
  %centred1 = linalg.generic {indexing_maps = [#all, #rows, #all], iterator_types = ["parallel", "parallel"]}
      ins(%x, %sum1 : tensor<5x4xf32>, tensor<5xf32>) outs(%wide : tensor<5x4xf32>) {
  ^bb0(%a: f32, %s: f32, %out: f32):
    %m = arith.divf %s, %four : f32
    %r = arith.subf %a, %m : f32
    linalg.yield %r : f32
  } -> tensor<5x4xf32>
  %squares1 = linalg.mul ins(%centred1, %centred1 : tensor<5x4xf32>, tensor<5x4xf32>) outs(%wide : tensor<5x4xf32>) -> tensor<5x4xf32>
  %variance1 = linalg.reduce { arith.addf } ins(%squares1 : tensor<5x4xf32>) outs(%zeros : tensor<5xf32>) dimensions = [1]
  %normal1 = linalg.generic {indexing_maps = [#all, #rows, #columns, #all], iterator_types = ["parallel", "parallel"]}
      ins(%centred1, %variance1, %w : tensor<5x4xf32>, tensor<5xf32>, tensor<4xf32>) outs(%wide : tensor<5x4xf32>) {
  ^bb0(%a: f32, %s: f32, %g: f32, %out: f32):
    %v = arith.mulf %s, %quarter : f32
    %e = arith.addf %v, %quarter : f32
    %i = math.rsqrt %e : f32
    %n = arith.mulf %a, %i : f32
    %r = arith.mulf %n, %g : f32
    linalg.yield %r : f32
  } -> tensor<5x4xf32>
  %biases = linalg.broadcast ins(%b : tensor<4xf32>) outs(%wide : tensor<5x4xf32>) dimensions = [0]
  %y = linalg.add ins(%normal1, %biases : tensor<5x4xf32>, tensor<5x4xf32>) outs(%wide : tensor<5x4xf32>) -> tensor<5x4xf32>
  %sum2 = linalg.reduce { arith.addf } ins(%y : tensor<5x4xf32>) outs(%zeros : tensor<5xf32>) dimensions = [1]
  %centred2 = linalg.generic {indexing_maps = [#all, #rows, #all], iterator_types = ["parallel", "parallel"]}
      ins(%y, %sum2 : tensor<5x4xf32>, tensor<5xf32>) outs(%wide : tensor<5x4xf32>) {
  ^bb0(%a: f32, %s: f32, %out: f32):
    %m = arith.divf %s, %four : f32
    %r = arith.subf %a, %m : f32
    linalg.yield %r : f32
  } -> tensor<5x4xf32>
  %squares2 = linalg.mul ins(%centred2, %centred2 : tensor<5x4xf32>, tensor<5x4xf32>) outs(%wide : tensor<5x4xf32>) -> tensor<5x4xf32>
  %variance2 = linalg.reduce { arith.addf } ins(%squares2 : tensor<5x4xf32>) outs(%zeros : tensor<5xf32>) dimensions = [1]
  %z = linalg.generic {indexing_maps = [#all, #rows, #columns, #all], iterator_types = ["parallel", "parallel"]}
      ins(%centred2, %variance2, %w : tensor<5x4xf32>, tensor<5xf32>, tensor<4xf32>) outs(%wide : tensor<5x4xf32>) {
  ^bb0(%a: f32, %s: f32, %g: f32, %out: f32):
    %v = arith.divf %s, %four : f32
    %i = math.sqrt %v : f32
    %n = arith.divf %a, %i : f32
    %r = arith.mulf %n, %g : f32
    linalg.yield %r : f32
  } -> tensor<5x4xf32>
  return %z : tensor<5x4xf32>
}

// -----

// A feed-forward part: a nonlinearity of its own, a product, a residual sum.

#all = affine_map<(t, c) -> (t, c)>

// CHECK-LABEL: func.func @gate
// CHECK-SAME: (%[[G:.*]]: tensor<?x4xf32>, %[[U:.*]]: tensor<?x4xf32>, %[[H:.*]]: tensor<?x4xf32>)
// CHECK-NEXT: %[[I:.*]] = stc.gated_activation <silu> %[[G]], %[[U]] :
// CHECK-NEXT: %[[S:.*]] = arith.addf %[[H]], %[[I]] : tensor<?x4xf32>
// CHECK-NEXT: %[[P:.*]] = arith.mulf %[[S]], %[[I]] : tensor<?x4xf32>
// CHECK-NEXT: %[[D:.*]] = arith.subf %[[P]], %[[H]] : tensor<?x4xf32>
// CHECK-NEXT: return %[[D]]
func.func @gate(%g: tensor<?x4xf32>, %u: tensor<?x4xf32>, %h: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %one = arith.constant 1.0 : f32
  %sigmoid = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]}
      ins(%g : tensor<?x4xf32>) outs(%g : tensor<?x4xf32>) {
  ^bb0(%a: f32, %out: f32):
    %n = arith.negf %a : f32
    %e = math.exp %n : f32
    %b = arith.addf %e, %one : f32
    %s = arith.divf %one, %b : f32
    linalg.yield %s : f32
  } -> tensor<?x4xf32>
  %silu = linalg.mul ins(%g, %sigmoid : tensor<?x4xf32>, tensor<?x4xf32>) outs(%g : tensor<?x4xf32>)
      -> tensor<?x4xf32>
  %inner = linalg.mul ins(%u, %silu : tensor<?x4xf32>, tensor<?x4xf32>) outs(%g : tensor<?x4xf32>)
      -> tensor<?x4xf32>
  %sum = linalg.add ins(%h, %inner : tensor<?x4xf32>, tensor<?x4xf32>) outs(%g : tensor<?x4xf32>)
      -> tensor<?x4xf32>
  %product = linalg.mul ins(%sum, %inner : tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%g : tensor<?x4xf32>) -> tensor<?x4xf32>
  %difference = linalg.sub ins(%product, %h : tensor<?x4xf32>, tensor<?x4xf32>)
      outs(%g : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %difference : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @gelu_by_tanh
// CHECK-NEXT: stc.activation <gelu_tanh>
// CHECK-NEXT: stc.activation <relu>
// CHECK-NEXT: return
func.func @gelu_by_tanh(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %one = arith.constant 1.0 : f32
  %half = arith.constant 0.5 : f32
  %three = arith.constant 3.0 : f32
  %cubic = arith.constant 0.044715 : f32
  %root = arith.constant 0.7978845608 : f32
  %zero = arith.constant 0.0 : f32
  %y = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<?x4xf32>) outs(%x : tensor<?x4xf32>) {
  ^bb0(%a: f32, %out: f32):
    %p = math.powf %a, %three : f32
    %q = arith.mulf %p, %cubic : f32
    %s = arith.addf %a, %q : f32
    %r = arith.mulf %s, %root : f32
    %t = math.tanh %r : f32
    %o = arith.addf %t, %one : f32
    %h = arith.mulf %half, %a : f32
    %g = arith.mulf %h, %o : f32
    linalg.yield %g : f32
  } -> tensor<?x4xf32>
  %z = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]}
      ins(%y : tensor<?x4xf32>) outs(%x : tensor<?x4xf32>) {
  ^bb0(%a: f32, %out: f32):
    %m = arith.maxnumf %zero, %a : f32
    linalg.yield %m : f32
  } -> tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}

// -----

// What is not raised stays as it is and is named.

#all = affine_map<(t, c) -> (t, c)>

// CHECK-LABEL: func.func @attention
// CHECK: linalg.batch_matmul
// CHECK: linalg.softmax
func.func @attention(%q: tensor<2x5x4xf32>, %k: tensor<2x4x5xf32>, %zeros: tensor<2x5x5xf32>)
    -> tensor<2x5x5xf32> {
  // expected-remark @below {{not raised: expected products of whole rows of activations, or a part of an attention: softmax(scale * queries . keys, causal or of all) * values}}
  %s = linalg.batch_matmul ins(%q, %k : tensor<2x5x4xf32>, tensor<2x4x5xf32>)
      outs(%zeros : tensor<2x5x5xf32>) -> tensor<2x5x5xf32>
  // expected-remark @below {{not raised: expected a part of an attention}}
  %p = linalg.softmax dimension(2) ins(%s : tensor<2x5x5xf32>) outs(%zeros : tensor<2x5x5xf32>)
      -> tensor<2x5x5xf32>
  return %p : tensor<2x5x5xf32>
}

// CHECK-LABEL: func.func @weights_of_other_order
// CHECK: linalg.matmul
// CHECK: linalg.matmul
func.func @weights_of_other_order(%x: tensor<5x4xf32>, %w: tensor<4x8xf32>, %start: tensor<5x8xf32>)
    -> (tensor<5x8xf32>, tensor<5x8xf32>) {
  %zeros = arith.constant dense<0.0> : tensor<5x8xf32>
  // expected-remark @below {{not raised: expected activations times a weight of [outputs, inputs]}}
  %y = linalg.matmul ins(%x, %w : tensor<5x4xf32>, tensor<4x8xf32>) outs(%zeros : tensor<5x8xf32>)
      -> tensor<5x8xf32>
  %empty = tensor.empty() : tensor<8x4xf32>
  %t = linalg.transpose ins(%w : tensor<4x8xf32>) outs(%empty : tensor<8x4xf32>) permutation = [1, 0]
  // A sum that starts from something else than zeros and a bias.
  // expected-remark @below {{not raised: expected activations times a weight of [outputs, inputs], by its indexing maps or by a linalg.transpose, on zeros or a bias}}
  %z = linalg.matmul indexing_maps = [affine_map<(t, n, k) -> (t, k)>, affine_map<(t, n, k) -> (n, k)>,
                                      affine_map<(t, n, k) -> (t, n)>]
      ins(%x, %t : tensor<5x4xf32>, tensor<8x4xf32>) outs(%start : tensor<5x8xf32>) -> tensor<5x8xf32>
  return %y, %z : tensor<5x8xf32>, tensor<5x8xf32>
}

// A mean over another number of columns is no mean.

// CHECK-LABEL: func.func @other_mean
// CHECK-NOT: stc.
func.func @other_mean(%x: tensor<5x4xf32>, %w: tensor<4xf32>) -> tensor<5x4xf32> {
  %three = arith.constant 3.0 : f32
  %zeros = arith.constant dense<0.0> : tensor<5xf32>
  // expected-remark @below {{not raised: expected a part of an RMS or layer normalization}}
  %sums = linalg.generic {indexing_maps = [#all, affine_map<(t, c) -> (t)>],
                          iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<5x4xf32>) outs(%zeros : tensor<5xf32>) {
  ^bb0(%a: f32, %sum: f32):
    %square = arith.mulf %a, %a : f32
    %next = arith.addf %square, %sum : f32
    linalg.yield %next : f32
  } -> tensor<5xf32>
  // expected-remark @below {{not raised: expected a part of an RMS or layer normalization, a nonlinearity (silu, gelu, gelu_tanh, relu, sigmoid), a multiple, or a sum}}
  %y = linalg.generic {indexing_maps = [#all, affine_map<(t, c) -> (t)>, affine_map<(t, c) -> (c)>, #all],
                       iterator_types = ["parallel", "parallel"]}
      ins(%x, %sums, %w : tensor<5x4xf32>, tensor<5xf32>, tensor<4xf32>) outs(%x : tensor<5x4xf32>) {
  ^bb0(%a: f32, %sum: f32, %b: f32, %out: f32):
    %mean = arith.divf %sum, %three : f32
    %inverse = math.rsqrt %mean : f32
    %normal = arith.mulf %a, %inverse : f32
    %scaled = arith.mulf %b, %normal : f32
    linalg.yield %scaled : f32
  } -> tensor<5x4xf32>
  return %y : tensor<5x4xf32>
}

// Squares of another tensor, a sum from 1 on, and a norm that transposes.

// CHECK-LABEL: func.func @other_squares
// CHECK-NOT: stc.
func.func @other_squares(%x: tensor<4x4xf32>, %o: tensor<4x4xf32>, %w: tensor<4xf32>)
    -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %four = arith.constant 4.0 : f32
  %zeros = arith.constant dense<0.0> : tensor<4xf32>
  %ones = arith.constant dense<1.0> : tensor<4xf32>
  // expected-remark @below {{not raised}}
  %sums = linalg.generic {indexing_maps = [#all, affine_map<(t, c) -> (t)>],
                          iterator_types = ["parallel", "reduction"]}
      ins(%o : tensor<4x4xf32>) outs(%zeros : tensor<4xf32>) {
  ^bb0(%a: f32, %sum: f32):
    %square = arith.mulf %a, %a : f32
    %next = arith.addf %square, %sum : f32
    linalg.yield %next : f32
  } -> tensor<4xf32>
  // expected-remark @below {{not raised}}
  %y = linalg.generic {indexing_maps = [#all, affine_map<(t, c) -> (t)>, affine_map<(t, c) -> (c)>, #all],
                       iterator_types = ["parallel", "parallel"]}
      ins(%x, %sums, %w : tensor<4x4xf32>, tensor<4xf32>, tensor<4xf32>) outs(%x : tensor<4x4xf32>) {
  ^bb0(%a: f32, %sum: f32, %b: f32, %out: f32):
    %mean = arith.divf %sum, %four : f32
    %inverse = math.rsqrt %mean : f32
    %normal = arith.mulf %a, %inverse : f32
    %scaled = arith.mulf %b, %normal : f32
    linalg.yield %scaled : f32
  } -> tensor<4x4xf32>
  // expected-remark @below {{not raised}}
  %more = linalg.generic {indexing_maps = [#all, affine_map<(t, c) -> (t)>],
                          iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x4xf32>) outs(%ones : tensor<4xf32>) {
  ^bb0(%a: f32, %sum: f32):
    %square = arith.mulf %a, %a : f32
    %next = arith.addf %square, %sum : f32
    linalg.yield %next : f32
  } -> tensor<4xf32>
  // expected-remark @below {{not raised}}
  %z = linalg.generic {indexing_maps = [#all, affine_map<(t, c) -> (t)>, affine_map<(t, c) -> (c)>,
                                        affine_map<(t, c) -> (c, t)>],
                       iterator_types = ["parallel", "parallel"]}
      ins(%x, %more, %w : tensor<4x4xf32>, tensor<4xf32>, tensor<4xf32>) outs(%x : tensor<4x4xf32>) {
  ^bb0(%a: f32, %sum: f32, %b: f32, %out: f32):
    %mean = arith.divf %sum, %four : f32
    %inverse = math.rsqrt %mean : f32
    %normal = arith.mulf %a, %inverse : f32
    %scaled = arith.mulf %b, %normal : f32
    linalg.yield %scaled : f32
  } -> tensor<4x4xf32>
  return %y, %z : tensor<4x4xf32>, tensor<4x4xf32>
}

// Nearly known functions, and operands in another order.

// CHECK-LABEL: func.func @other_functions
// CHECK-NOT: stc.
// CHECK-NOT: arith.addf %{{.*}} : tensor
func.func @other_functions(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %one = arith.constant 1.0 : f32
  %half = arith.constant 0.5 : f32
  %other = arith.constant 0.7 : f32
  // expected-remark @below {{not raised}}
  %relu = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x4xf32>) outs(%x : tensor<4x4xf32>) {
  ^bb0(%a: f32, %out: f32):
    %m = arith.maximumf %a, %one : f32
    linalg.yield %m : f32
  } -> tensor<4x4xf32>
  // expected-remark @below {{not raised}}
  %silu = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]}
      ins(%relu : tensor<4x4xf32>) outs(%x : tensor<4x4xf32>) {
  ^bb0(%a: f32, %out: f32):
    %e = math.exp %a : f32
    %b = arith.addf %e, %one : f32
    %s = arith.divf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<4x4xf32>
  // expected-remark @below {{not raised}}
  %gelu = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]}
      ins(%silu : tensor<4x4xf32>) outs(%x : tensor<4x4xf32>) {
  ^bb0(%a: f32, %out: f32):
    %i = arith.mulf %a, %other : f32
    %e = math.erf %i : f32
    %b = arith.addf %e, %one : f32
    %h = arith.mulf %a, %half : f32
    %s = arith.mulf %h, %b : f32
    linalg.yield %s : f32
  } -> tensor<4x4xf32>
  // expected-remark @below {{not raised}}
  %sum = linalg.generic {indexing_maps = [#all, affine_map<(t, c) -> (c, t)>, #all],
                         iterator_types = ["parallel", "parallel"]}
      ins(%gelu, %x : tensor<4x4xf32>, tensor<4x4xf32>) outs(%x : tensor<4x4xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<4x4xf32>
  return %sum : tensor<4x4xf32>
}

// Sizes and numbers that stc's operations refuse are not raised to errors.

// CHECK-LABEL: func.func @refused_by_stc
// CHECK-NOT: stc.
func.func @refused_by_stc(%x: tensor<?x?xf32>, %y: tensor<?x4xf32>, %w: tensor<?xf32>)
    -> (tensor<?x?xf32>, tensor<?x4xf32>) {
  %zero = arith.constant 0.0 : f32
  %negative = arith.constant -1.0 : f32
  %four = arith.constant 4.0 : f32
  // expected-remark @below {{not raised}}
  %s = linalg.add ins(%x, %x : tensor<?x?xf32>, tensor<?x?xf32>) outs(%x : tensor<?x?xf32>)
      -> tensor<?x?xf32>
  %rows = linalg.fill ins(%zero : f32) outs(%w : tensor<?xf32>) -> tensor<?xf32>
  // expected-remark @below {{not raised}}
  %sums = linalg.generic {indexing_maps = [#all, affine_map<(t, c) -> (t)>],
                          iterator_types = ["parallel", "reduction"]}
      ins(%y : tensor<?x4xf32>) outs(%rows : tensor<?xf32>) {
  ^bb0(%a: f32, %sum: f32):
    %square = arith.mulf %a, %a : f32
    %next = arith.addf %square, %sum : f32
    linalg.yield %next : f32
  } -> tensor<?xf32>
  // expected-remark @below {{not raised}}
  %n = linalg.generic {indexing_maps = [#all, affine_map<(t, c) -> (t)>, affine_map<(t, c) -> (c)>, #all],
                       iterator_types = ["parallel", "parallel"]}
      ins(%y, %sums, %w : tensor<?x4xf32>, tensor<?xf32>, tensor<?xf32>) outs(%y : tensor<?x4xf32>) {
  ^bb0(%a: f32, %sum: f32, %b: f32, %out: f32):
    %mean = arith.divf %sum, %four : f32
    %shifted = arith.addf %mean, %negative : f32
    %inverse = math.rsqrt %shifted : f32
    %normal = arith.mulf %a, %inverse : f32
    %scaled = arith.mulf %b, %normal : f32
    linalg.yield %scaled : f32
  } -> tensor<?x4xf32>
  return %s, %n : tensor<?x?xf32>, tensor<?x4xf32>
}

// A transpose that is none, and a product that rounds.

// CHECK-LABEL: func.func @other_products
// CHECK-NOT: stc.
func.func @other_products(%x: tensor<5x4xf32>, %w: tensor<4x4xf32>) -> (tensor<5x4xf32>, tensor<5x4xf32>) {
  %zeros = arith.constant dense<0.0> : tensor<5x4xf32>
  %empty = tensor.empty() : tensor<4x4xf32>
  %same = linalg.transpose ins(%w : tensor<4x4xf32>) outs(%empty : tensor<4x4xf32>)
      permutation = [0, 1]
  // expected-remark @below {{not raised: expected activations times a weight of [outputs, inputs]}}
  %y = linalg.matmul ins(%x, %same : tensor<5x4xf32>, tensor<4x4xf32>)
      outs(%zeros : tensor<5x4xf32>) -> tensor<5x4xf32>
  // expected-remark @below {{not raised: expected activations times a weight of [outputs, inputs]}}
  %z = linalg.generic {indexing_maps = [affine_map<(t, n, k) -> (t, k)>, affine_map<(t, n, k) -> (n, k)>,
                                        affine_map<(t, n, k) -> (t, n)>],
                       iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<5x4xf32>, tensor<4x4xf32>) outs(%zeros : tensor<5x4xf32>) {
  ^bb0(%a: f32, %c: f32, %sum: f32):
    %narrow = arith.truncf %a : f32 to bf16
    %wide = arith.extf %narrow : bf16 to f32
    %product = arith.mulf %wide, %c : f32
    %next = arith.addf %sum, %product : f32
    linalg.yield %next : f32
  } -> tensor<5x4xf32>
  return %y, %z : tensor<5x4xf32>, tensor<5x4xf32>
}
