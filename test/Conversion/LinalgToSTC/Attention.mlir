// Attention in the spellings of other front ends, as stc.attention over a cache. What the reference
// interpreter makes of the text before and after is the same.
// RUN: stc-opt %s --stc-raise-linalg --verify-diagnostics | FileCheck %s

// As torch-mlir lowers scaled_dot_product_attention: a batch of one, heads by reshapes and
// transposes, the softmax in single steps and a mask that is added. Two heads of 4 columns.

#p4 = affine_map<(h, t, s) -> (h, t, s)>
#row = affine_map<(h, t, s) -> (h, t, 0)>
#mask = affine_map<(h, t, s) -> (t, s)>

// CHECK-LABEL: func.func @causal
// CHECK-SAME: (%[[POSITION:.*]]: index, %[[CACHE:.*]]: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>)
// CHECK-DAG: %[[Q:.*]] = arith.constant dense<{{.*}}> : tensor<4x8xf32>
// CHECK-DAG: %[[LAYER:.*]] = arith.constant 0 : index
// CHECK: stc.cache_update %[[K:.*]], %[[V:.*]], %[[CACHE]][%[[LAYER]], %[[POSITION]]]
// CHECK-NEXT: %[[Y:.*]] = stc.attention %[[Q]], %[[CACHE]][%[[LAYER]], %[[POSITION]]] heads 2 scale 5.000000e-01 window 0
// CHECK-NEXT: return %[[Y]]
// expected-remark @below {{attention reads a cache: @causal takes the position of its first token and a '!stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>' now}}
func.func @causal() -> tensor<4x8xf32> {
  %q = arith.constant dense<[[-1.10, 1.04, 0.79, -0.73, -0.01, -0.15, 0.45, 0.87], [-1.22, -1.41, 1.01, -0.20, 0.79, -1.49, -0.16, 0.66], [-0.81, 1.34, 1.20, -1.41, -1.42, 0.12, 1.32, -0.36], [-0.85, -0.23, -1.41, -0.83, -0.19, -0.01, -0.80, -0.81]]> : tensor<4x8xf32>
  %k = arith.constant dense<[[1.37, 1.34, -1.33, -1.25, 1.01, 0.71, 0.51, -0.58], [0.32, 0.32, 0.24, -1.02, -0.21, -0.32, 0.67, 1.48], [1.35, 0.13, -0.17, -0.70, -1.39, -1.42, -0.11, -0.54], [-0.36, 1.18, 0.08, 0.18, -0.79, -1.43, -0.52, -1.09]]> : tensor<4x8xf32>
  %v = arith.constant dense<[[-0.79, 0.13, -0.39, 0.31, 0.38, -1.30, -1.46, 1.01], [-0.72, -0.80, 1.49, -0.09, 1.01, -0.07, 0.42, -1.05], [0.40, 1.10, 0.07, 0.72, 0.51, -1.31, 0.77, 0.27], [-0.60, -1.41, 1.10, -0.08, 0.66, 1.14, 0.64, 1.26]]> : tensor<4x8xf32>
  %mask = arith.constant dense<[[0.0, 0xFF800000, 0xFF800000, 0xFF800000], [0.0, 0.0, 0xFF800000, 0xFF800000], [0.0, 0.0, 0.0, 0xFF800000], [0.0, 0.0, 0.0, 0.0]]> : tensor<4x4xf32>
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %two = arith.constant 2.0 : f32
  %by_heads = tensor.empty() : tensor<1x2x4x4xf32>
  %square = tensor.empty() : tensor<2x4x4xf32>
  %column = tensor.empty() : tensor<2x4x1xf32>
  %q4 = tensor.expand_shape %q [[0, 1], [2, 3]] output_shape [1, 4, 2, 4] : tensor<4x8xf32> into tensor<1x4x2x4xf32>
  %qh = linalg.transpose ins(%q4 : tensor<1x4x2x4xf32>) outs(%by_heads : tensor<1x2x4x4xf32>) permutation = [0, 2, 1, 3]
  %q3 = tensor.collapse_shape %qh [[0, 1], [2], [3]] : tensor<1x2x4x4xf32> into tensor<2x4x4xf32>
  %k4 = tensor.expand_shape %k [[0, 1], [2, 3]] output_shape [1, 4, 2, 4] : tensor<4x8xf32> into tensor<1x4x2x4xf32>
  %kh = linalg.transpose ins(%k4 : tensor<1x4x2x4xf32>) outs(%by_heads : tensor<1x2x4x4xf32>) permutation = [0, 2, 3, 1]
  %k3 = tensor.collapse_shape %kh [[0, 1], [2], [3]] : tensor<1x2x4x4xf32> into tensor<2x4x4xf32>
  %v4 = tensor.expand_shape %v [[0, 1], [2, 3]] output_shape [1, 4, 2, 4] : tensor<4x8xf32> into tensor<1x4x2x4xf32>
  %vh = linalg.transpose ins(%v4 : tensor<1x4x2x4xf32>) outs(%by_heads : tensor<1x2x4x4xf32>) permutation = [0, 2, 1, 3]
  %v3 = tensor.collapse_shape %vh [[0, 1], [2], [3]] : tensor<1x2x4x4xf32> into tensor<2x4x4xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%square : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %products = linalg.batch_matmul ins(%q3, %k3 : tensor<2x4x4xf32>, tensor<2x4x4xf32>)
      outs(%zeros : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %scaled = linalg.generic {indexing_maps = [#p4, #p4],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%products : tensor<2x4x4xf32>) outs(%square : tensor<2x4x4xf32>) {
  ^bb0(%a: f32, %out: f32):
    %r = arith.divf %a, %two : f32
    linalg.yield %r : f32
  } -> tensor<2x4x4xf32>
  %scores = linalg.generic {indexing_maps = [#p4, #mask, #p4],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%scaled, %mask : tensor<2x4x4xf32>, tensor<4x4xf32>) outs(%square : tensor<2x4x4xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %r = arith.addf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<2x4x4xf32>
  %lows = linalg.fill ins(%lowest : f32) outs(%column : tensor<2x4x1xf32>) -> tensor<2x4x1xf32>
  %largest = linalg.generic {indexing_maps = [#p4, #row],
                       iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%scores : tensor<2x4x4xf32>) outs(%lows : tensor<2x4x1xf32>) {
  ^bb0(%a: f32, %out: f32):
    %r = arith.maximumf %a, %out : f32
    linalg.yield %r : f32
  } -> tensor<2x4x1xf32>
  %shifted = linalg.generic {indexing_maps = [#p4, #row, #p4],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%scores, %largest : tensor<2x4x4xf32>, tensor<2x4x1xf32>) outs(%square : tensor<2x4x4xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %r = arith.subf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<2x4x4xf32>
  %powers = linalg.generic {indexing_maps = [#p4, #p4],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%shifted : tensor<2x4x4xf32>) outs(%square : tensor<2x4x4xf32>) {
  ^bb0(%a: f32, %out: f32):
    %r = math.exp %a : f32
    linalg.yield %r : f32
  } -> tensor<2x4x4xf32>
  %none = linalg.fill ins(%zero : f32) outs(%column : tensor<2x4x1xf32>) -> tensor<2x4x1xf32>
  %sums = linalg.generic {indexing_maps = [#p4, #row],
                       iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%powers : tensor<2x4x4xf32>) outs(%none : tensor<2x4x1xf32>) {
  ^bb0(%a: f32, %out: f32):
    %r = arith.addf %a, %out : f32
    linalg.yield %r : f32
  } -> tensor<2x4x1xf32>
  %weights = linalg.generic {indexing_maps = [#p4, #row, #p4],
                       iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%powers, %sums : tensor<2x4x4xf32>, tensor<2x4x1xf32>) outs(%square : tensor<2x4x4xf32>) {
  ^bb0(%a: f32, %b: f32, %out: f32):
    %r = arith.divf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<2x4x4xf32>
  %mixed = linalg.batch_matmul ins(%weights, %v3 : tensor<2x4x4xf32>, tensor<2x4x4xf32>)
      outs(%zeros : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %mixed4 = tensor.expand_shape %mixed [[0, 1], [2], [3]] output_shape [1, 2, 4, 4] : tensor<2x4x4xf32> into tensor<1x2x4x4xf32>
  %by_tokens = tensor.empty() : tensor<1x4x2x4xf32>
  %back = linalg.transpose ins(%mixed4 : tensor<1x2x4x4xf32>) outs(%by_tokens : tensor<1x4x2x4xf32>) permutation = [0, 2, 1, 3]
  %y = tensor.collapse_shape %back [[0, 1], [2, 3]] : tensor<1x4x2x4xf32> into tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// RUN: stc-opt %s --stc-interpret=function=causal -o /dev/null > %t.linalg
// RUN: stc-opt %s --stc-raise-linalg --stc-interpret=function=causal -o /dev/null > %t.stc
// RUN: diff %t.linalg %t.stc
// RUN: FileCheck %s --input-file=%t.stc --check-prefix=NUMBERS
// NUMBERS: 4x8

// Every token sees all, in heads by maps; four heads of queries share two of keys and values. The
// function has a cache already.

#cache = affine_map<(k, g, t, s, c) -> (k, g, t, s)>

// CHECK-LABEL: func.func @all
// CHECK-SAME: (%[[Q:.*]]: tensor<?x16xf32>, %[[K:.*]]: tensor<?x8xf32>, %[[V:.*]]: tensor<?x8xf32>, %[[POSITION:.*]]: index, %[[CACHE:.*]]: !stc.kv_cache<layers = 3, kv_heads = 2, head_dim = 4, capacity = 64>, %{{.*}}: tensor<2x2x?x?xf32>, %{{.*}}: tensor<?x2x2x4xf32>)
// CHECK: %[[LAYER:.*]] = arith.constant 0 : index
// CHECK: stc.cache_update %[[K]], %[[V]], %[[CACHE]][%[[LAYER]], %[[POSITION]]]
// CHECK: %[[COUNT:.*]] = tensor.dim %[[K]]
// CHECK-NEXT: %[[END:.*]] = arith.addi %[[POSITION]], %[[COUNT]]
// CHECK-NEXT: %[[Y:.*]] = stc.attention %[[Q]], %[[CACHE]][%[[LAYER]], %[[POSITION]]] to %[[END]] heads 4 scale 2.500000e-01 window 0
// CHECK-NEXT: return %[[Y]]
func.func @all(%q: tensor<?x16xf32>, %k: tensor<?x8xf32>, %v: tensor<?x8xf32>, %position: index,
               %cache: !stc.kv_cache<layers = 3, kv_heads = 2, head_dim = 4, capacity = 64>,
               %scores0: tensor<2x2x?x?xf32>, %y0: tensor<?x2x2x4xf32>) -> tensor<?x16xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %scale = arith.constant 0.25 : f32
  %n = tensor.dim %q, %c0 : tensor<?x16xf32>
  %m = tensor.dim %k, %c0 : tensor<?x8xf32>
  %q4 = tensor.expand_shape %q [[0], [1, 2, 3]] output_shape [%n, 2, 2, 4] : tensor<?x16xf32> into tensor<?x2x2x4xf32>
  %k3 = tensor.expand_shape %k [[0], [1, 2]] output_shape [%m, 2, 4] : tensor<?x8xf32> into tensor<?x2x4xf32>
  %v3 = tensor.expand_shape %v [[0], [1, 2]] output_shape [%m, 2, 4] : tensor<?x8xf32> into tensor<?x2x4xf32>
  %scaled = linalg.generic {indexing_maps = [affine_map<(a, b, c, d) -> (a, b, c, d)>, affine_map<(a, b, c, d) -> (a, b, c, d)>],
                            iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%q4 : tensor<?x2x2x4xf32>) outs(%y0 : tensor<?x2x2x4xf32>) {
  ^bb0(%a: f32, %out: f32):
    %r = arith.mulf %a, %scale : f32
    linalg.yield %r : f32
  } -> tensor<?x2x2x4xf32>
  %none = linalg.fill ins(%zero : f32) outs(%scores0 : tensor<2x2x?x?xf32>) -> tensor<2x2x?x?xf32>
  %scores = linalg.generic {indexing_maps = [affine_map<(k, g, t, s, c) -> (t, k, g, c)>, affine_map<(k, g, t, s, c) -> (s, k, c)>, #cache],
                            iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%scaled, %k3 : tensor<?x2x2x4xf32>, tensor<?x2x4xf32>) outs(%none : tensor<2x2x?x?xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.addf %sum, %p : f32
    linalg.yield %r : f32
  } -> tensor<2x2x?x?xf32>
  %weights = linalg.softmax dimension(3) ins(%scores : tensor<2x2x?x?xf32>) outs(%scores0 : tensor<2x2x?x?xf32>) -> tensor<2x2x?x?xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%y0 : tensor<?x2x2x4xf32>) -> tensor<?x2x2x4xf32>
  %y4 = linalg.generic {indexing_maps = [affine_map<(t, k, g, c, s) -> (k, g, t, s)>, affine_map<(t, k, g, c, s) -> (s, k, c)>, affine_map<(t, k, g, c, s) -> (t, k, g, c)>],
                        iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%weights, %v3 : tensor<2x2x?x?xf32>, tensor<?x2x4xf32>) outs(%zeros : tensor<?x2x2x4xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.addf %sum, %p : f32
    linalg.yield %r : f32
  } -> tensor<?x2x2x4xf32>
  %y = tensor.collapse_shape %y4 [[0], [1, 2, 3]] : tensor<?x2x2x4xf32> into tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// One head, masked by comparing places.

// CHECK-LABEL: func.func @compared
// CHECK: stc.attention %{{.*}} heads 1 scale 1.000000e+00 window 0
func.func @compared(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %v: tensor<?x8xf32>, %position: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 8, capacity = 64>, %scores: tensor<?x?xf32>, %y0: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %zero = arith.constant 0.0 : f32
  %low = arith.constant 0xFF800000 : f32
  %little = arith.constant -1.0 : f32
  %none = linalg.fill ins(%zero : f32) outs(%scores : tensor<?x?xf32>) -> tensor<?x?xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%y0 : tensor<?x8xf32>) -> tensor<?x8xf32>
  %s = linalg.matmul indexing_maps = [affine_map<(t, n, k) -> (t, k)>, affine_map<(t, n, k) -> (n, k)>, affine_map<(t, n, k) -> (t, n)>]
      ins(%q, %k : tensor<?x8xf32>, tensor<?x8xf32>) outs(%none : tensor<?x?xf32>) -> tensor<?x?xf32>
  %m = linalg.generic {indexing_maps = [affine_map<(t, s) -> (t, s)>, affine_map<(t, s) -> (t, s)>], iterator_types = ["parallel", "parallel"]}
      ins(%s : tensor<?x?xf32>) outs(%scores : tensor<?x?xf32>) {
  ^bb0(%a: f32, %out: f32):
    %t = linalg.index 0 : index
    %u = linalg.index 1 : index
    %c = arith.cmpi sge, %t, %u : index
    %r = arith.select %c, %a, %low : f32
    linalg.yield %r : f32
  } -> tensor<?x?xf32>
  %w = linalg.softmax dimension(1) ins(%m : tensor<?x?xf32>) outs(%scores : tensor<?x?xf32>) -> tensor<?x?xf32>
  %y = linalg.matmul ins(%w, %v : tensor<?x?xf32>, tensor<?x8xf32>) outs(%zeros : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// Masks that leave the future, or that only make scores smaller, are other functions.

// CHECK-LABEL: func.func @future
// CHECK-NOT: stc.attention
func.func @future(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %v: tensor<?x8xf32>, %position: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 8, capacity = 64>, %scores: tensor<?x?xf32>, %y0: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %zero = arith.constant 0.0 : f32
  %low = arith.constant 0xFF800000 : f32
  %little = arith.constant -1.0 : f32
  %none = linalg.fill ins(%zero : f32) outs(%scores : tensor<?x?xf32>) -> tensor<?x?xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%y0 : tensor<?x8xf32>) -> tensor<?x8xf32>
  // expected-remark @below {{not raised}}
  %s = linalg.matmul indexing_maps = [affine_map<(t, n, k) -> (t, k)>, affine_map<(t, n, k) -> (n, k)>, affine_map<(t, n, k) -> (t, n)>]
      ins(%q, %k : tensor<?x8xf32>, tensor<?x8xf32>) outs(%none : tensor<?x?xf32>) -> tensor<?x?xf32>
  // expected-remark @below {{not raised}}
  %m = linalg.generic {indexing_maps = [affine_map<(t, s) -> (t, s)>, affine_map<(t, s) -> (t, s)>], iterator_types = ["parallel", "parallel"]}
      ins(%s : tensor<?x?xf32>) outs(%scores : tensor<?x?xf32>) {
  ^bb0(%a: f32, %out: f32):
    %t = linalg.index 0 : index
    %u = linalg.index 1 : index
    %c = arith.cmpi sge, %u, %t : index
    %r = arith.select %c, %a, %low : f32
    linalg.yield %r : f32
  } -> tensor<?x?xf32>
  // expected-remark @below {{not raised: expected a part of an attention}}
  %w = linalg.softmax dimension(1) ins(%m : tensor<?x?xf32>) outs(%scores : tensor<?x?xf32>) -> tensor<?x?xf32>
  // expected-remark @below {{not raised}}
  %y = linalg.matmul ins(%w, %v : tensor<?x?xf32>, tensor<?x8xf32>) outs(%zeros : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @softened
// CHECK-NOT: stc.attention
func.func @softened(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %v: tensor<?x8xf32>, %position: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 8, capacity = 64>, %scores: tensor<?x?xf32>, %y0: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %zero = arith.constant 0.0 : f32
  %low = arith.constant 0xFF800000 : f32
  %little = arith.constant -1.0 : f32
  %none = linalg.fill ins(%zero : f32) outs(%scores : tensor<?x?xf32>) -> tensor<?x?xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%y0 : tensor<?x8xf32>) -> tensor<?x8xf32>
  // expected-remark @below {{not raised}}
  %s = linalg.matmul indexing_maps = [affine_map<(t, n, k) -> (t, k)>, affine_map<(t, n, k) -> (n, k)>, affine_map<(t, n, k) -> (t, n)>]
      ins(%q, %k : tensor<?x8xf32>, tensor<?x8xf32>) outs(%none : tensor<?x?xf32>) -> tensor<?x?xf32>
  // expected-remark @below {{not raised}}
  %m = linalg.generic {indexing_maps = [affine_map<(t, s) -> (t, s)>, affine_map<(t, s) -> (t, s)>], iterator_types = ["parallel", "parallel"]}
      ins(%s : tensor<?x?xf32>) outs(%scores : tensor<?x?xf32>) {
  ^bb0(%a: f32, %out: f32):
    %t = linalg.index 0 : index
    %u = linalg.index 1 : index
    %c = arith.cmpi sge, %t, %u : index
    %r = arith.select %c, %a, %little : f32
    linalg.yield %r : f32
  } -> tensor<?x?xf32>
  // expected-remark @below {{not raised: expected a part of an attention}}
  %w = linalg.softmax dimension(1) ins(%m : tensor<?x?xf32>) outs(%scores : tensor<?x?xf32>) -> tensor<?x?xf32>
  // expected-remark @below {{not raised}}
  %y = linalg.matmul ins(%w, %v : tensor<?x?xf32>, tensor<?x8xf32>) outs(%zeros : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// A cache of other heads, and a function that something calls.

// CHECK-LABEL: func.func @other_cache
// CHECK-NOT: stc.attention
func.func @other_cache(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %v: tensor<?x8xf32>, %position: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 8, capacity = 64>, %scores: tensor<?x?xf32>, %y0: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %zero = arith.constant 0.0 : f32
  %low = arith.constant 0xFF800000 : f32
  %little = arith.constant -1.0 : f32
  %none = linalg.fill ins(%zero : f32) outs(%scores : tensor<?x?xf32>) -> tensor<?x?xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%y0 : tensor<?x8xf32>) -> tensor<?x8xf32>
  // expected-remark @below {{not raised}}
  %s = linalg.matmul indexing_maps = [affine_map<(t, n, k) -> (t, k)>, affine_map<(t, n, k) -> (n, k)>, affine_map<(t, n, k) -> (t, n)>]
      ins(%q, %k : tensor<?x8xf32>, tensor<?x8xf32>) outs(%none : tensor<?x?xf32>) -> tensor<?x?xf32>
  // expected-remark @below {{not raised}}
  %m = linalg.generic {indexing_maps = [affine_map<(t, s) -> (t, s)>, affine_map<(t, s) -> (t, s)>], iterator_types = ["parallel", "parallel"]}
      ins(%s : tensor<?x?xf32>) outs(%scores : tensor<?x?xf32>) {
  ^bb0(%a: f32, %out: f32):
    %t = linalg.index 0 : index
    %u = linalg.index 1 : index
    %c = arith.cmpi sge, %t, %u : index
    %r = arith.select %c, %a, %low : f32
    linalg.yield %r : f32
  } -> tensor<?x?xf32>
  // expected-remark @below {{not raised: expected a part of an attention}}
  %w = linalg.softmax dimension(1) ins(%m : tensor<?x?xf32>) outs(%scores : tensor<?x?xf32>) -> tensor<?x?xf32>
  // expected-remark @below {{not raised: expected an index and a cache of at least 1 layers with 1 heads of 8 columns as arguments, got '!stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 8, capacity = 64>'}}
  // expected-remark @below {{not raised: expected activations times}}
  %y = linalg.matmul ins(%w, %v : tensor<?x?xf32>, tensor<?x8xf32>) outs(%zeros : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @called
// CHECK-NOT: stc.attention
func.func @called(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %v: tensor<?x8xf32>, %scores: tensor<?x?xf32>, %y0: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %zero = arith.constant 0.0 : f32
  %low = arith.constant 0xFF800000 : f32
  %little = arith.constant -1.0 : f32
  %none = linalg.fill ins(%zero : f32) outs(%scores : tensor<?x?xf32>) -> tensor<?x?xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%y0 : tensor<?x8xf32>) -> tensor<?x8xf32>
  // expected-remark @below {{not raised}}
  %s = linalg.matmul indexing_maps = [affine_map<(t, n, k) -> (t, k)>, affine_map<(t, n, k) -> (n, k)>, affine_map<(t, n, k) -> (t, n)>]
      ins(%q, %k : tensor<?x8xf32>, tensor<?x8xf32>) outs(%none : tensor<?x?xf32>) -> tensor<?x?xf32>
  // expected-remark @below {{not raised}}
  %m = linalg.generic {indexing_maps = [affine_map<(t, s) -> (t, s)>, affine_map<(t, s) -> (t, s)>], iterator_types = ["parallel", "parallel"]}
      ins(%s : tensor<?x?xf32>) outs(%scores : tensor<?x?xf32>) {
  ^bb0(%a: f32, %out: f32):
    %t = linalg.index 0 : index
    %u = linalg.index 1 : index
    %c = arith.cmpi sge, %t, %u : index
    %r = arith.select %c, %a, %low : f32
    linalg.yield %r : f32
  } -> tensor<?x?xf32>
  // expected-remark @below {{not raised: expected a part of an attention}}
  %w = linalg.softmax dimension(1) ins(%m : tensor<?x?xf32>) outs(%scores : tensor<?x?xf32>) -> tensor<?x?xf32>
  // expected-remark @below {{not raised: expected a function that can be given a cache as an argument, got one that something calls}}
  // expected-remark @below {{not raised: expected activations times}}
  %y = linalg.matmul ins(%w, %v : tensor<?x?xf32>, tensor<?x8xf32>) outs(%zeros : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

func.func @caller(%x: tensor<?x8xf32>, %scores: tensor<?x?xf32>) -> tensor<?x8xf32> {
  %y = call @called(%x, %x, %x, %scores, %x) : (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x?xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
