// What refers to the tokens of a function: tables, places and rotations.
// RUN: stc-opt %s --stc-raise-linalg --split-input-file --verify-diagnostics | FileCheck %s

// Rows of tables, by tokens and by their places, which a function without a position counts from 0.

#all = affine_map<(t, c) -> (t, c)>
#token = affine_map<(t, c) -> (t)>

// CHECK-LABEL: func.func @tables
// CHECK-SAME: (%[[TOKENS:.*]]: tensor<?xi32>, %[[TABLE:.*]]: tensor<9x4xbf16>, %[[PLACES:.*]]: tensor<16x4xf32>, %{{.*}}: tensor<?x4xf32>)
// CHECK: %[[X:.*]] = stc.embedding %[[TOKENS]], %[[TABLE]] :
// CHECK: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK: %[[P:.*]] = stc.positions %[[TOKENS]], %[[ZERO]]
// CHECK: %[[Y:.*]] = stc.embedding %[[P]], %[[PLACES]] :
// CHECK: %[[Z:.*]] = arith.addf %[[X]], %[[Y]]
// CHECK-NEXT: return %[[Z]]
func.func @tables(%tokens: tensor<?xi32>, %table: tensor<9x4xbf16>, %places: tensor<16x4xf32>,
                  %empty: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %x = linalg.generic {indexing_maps = [#token, #all], iterator_types = ["parallel", "parallel"]}
      ins(%tokens : tensor<?xi32>) outs(%empty : tensor<?x4xf32>) {
  ^bb0(%token: i32, %out: f32):
    %wide = arith.extsi %token : i32 to i64
    %row = arith.index_cast %wide : i64 to index
    %column = linalg.index 1 : index
    %v = tensor.extract %table[%row, %column] : tensor<9x4xbf16>
    %f = arith.extf %v : bf16 to f32
    linalg.yield %f : f32
  } -> tensor<?x4xf32>
  %y = linalg.generic {indexing_maps = [#all], iterator_types = ["parallel", "parallel"]}
      outs(%empty : tensor<?x4xf32>) {
  ^bb0(%out: f32):
    %row = linalg.index 0 : index
    %column = linalg.index 1 : index
    %v = tensor.extract %places[%row, %column] : tensor<16x4xf32>
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  %z = linalg.add ins(%x, %y : tensor<?x4xf32>, tensor<?x4xf32>) outs(%empty : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}

// Columns in another order are no rows, and numbers of 64 bits no tokens.

// CHECK-LABEL: func.func @other_tables
// CHECK-NOT: stc.
func.func @other_tables(%tokens: tensor<?xi32>, %wide: tensor<?xi64>, %table: tensor<4x4xf32>,
                        %empty: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  // expected-remark @below {{not raised}}
  %x = linalg.generic {indexing_maps = [#token, #all], iterator_types = ["parallel", "parallel"]}
      ins(%tokens : tensor<?xi32>) outs(%empty : tensor<?x4xf32>) {
  ^bb0(%token: i32, %out: f32):
    %row = arith.index_cast %token : i32 to index
    %column = linalg.index 1 : index
    %v = tensor.extract %table[%column, %row] : tensor<4x4xf32>
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  // expected-remark @below {{not raised}}
  %y = linalg.generic {indexing_maps = [#token, #all], iterator_types = ["parallel", "parallel"]}
      ins(%wide : tensor<?xi64>) outs(%empty : tensor<?x4xf32>) {
  ^bb0(%token: i64, %out: f32):
    %row = arith.index_cast %token : i64 to index
    %column = linalg.index 1 : index
    %v = tensor.extract %table[%row, %column] : tensor<4x4xf32>
    linalg.yield %v : f32
  } -> tensor<?x4xf32>
  return %x, %y : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

// Heads that are rotated as Hugging Face's models do it: x * cos + concat(-x2, x1) * sin, where the
// angles are places times frequencies, once for each half.

#three = affine_map<(t, h, c) -> (t, h, c)>
#angle = affine_map<(t, h, c) -> (t, c)>
#two = affine_map<(t, c) -> (t, c)>
#column = affine_map<(t, c) -> (c)>

// CHECK-LABEL: func.func @rotary
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>, %[[TOKENS:.*]]: tensor<?xi32>, %[[POSITION:.*]]: index)
// CHECK: %[[COS:.*]], %[[SIN:.*]] = stc.rotary_table %[[TOKENS]], %[[POSITION]] frequencies [1.000000e+00, 2.500000e-01]
// CHECK-NEXT: %[[Y:.*]] = stc.rotary_embedding %[[X]], %[[COS]], %[[SIN]] :
// CHECK-NEXT: return %[[Y]]
func.func @rotary(%x: tensor<?x8xf32>, %tokens: tensor<?xi32>, %position: index) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x8xf32>
  %frequencies = arith.constant dense<[1.0, 0.25]> : tensor<2xf32>
  %half = tensor.empty(%n) : tensor<?x2xf32>
  %whole = tensor.empty(%n) : tensor<?x4xf32>
  %heads = tensor.empty(%n) : tensor<?x2x4xf32>
  %halves = tensor.empty(%n) : tensor<?x2x2xf32>
  %angles = linalg.generic {indexing_maps = [#column, #two], iterator_types = ["parallel", "parallel"]}
      ins(%frequencies : tensor<2xf32>) outs(%half : tensor<?x2xf32>) {
  ^bb0(%f: f32, %out: f32):
    %i = linalg.index 0 : index
    %j = arith.index_cast %i : index to i64
    %p = arith.sitofp %j : i64 to f32
    %a = arith.mulf %p, %f : f32
    linalg.yield %a : f32
  } -> tensor<?x2xf32>
  %both = tensor.concat dim(1) %angles, %angles : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x4xf32>
  %cos = linalg.generic {indexing_maps = [#two, #two], iterator_types = ["parallel", "parallel"]}
      ins(%both : tensor<?x4xf32>) outs(%whole : tensor<?x4xf32>) {
  ^bb0(%a: f32, %out: f32):
    %r = math.cos %a : f32
    linalg.yield %r : f32
  } -> tensor<?x4xf32>
  %sin = linalg.generic {indexing_maps = [#two, #two], iterator_types = ["parallel", "parallel"]}
      ins(%both : tensor<?x4xf32>) outs(%whole : tensor<?x4xf32>) {
  ^bb0(%a: f32, %out: f32):
    %r = math.sin %a : f32
    linalg.yield %r : f32
  } -> tensor<?x4xf32>
  %x3 = tensor.expand_shape %x [[0], [1, 2]] output_shape [%n, 2, 4] : tensor<?x8xf32> into tensor<?x2x4xf32>
  %x1 = tensor.extract_slice %x3[0, 0, 0] [%n, 2, 2] [1, 1, 1] : tensor<?x2x4xf32> to tensor<?x2x2xf32>
  %x2 = tensor.extract_slice %x3[0, 0, 2] [%n, 2, 2] [1, 1, 1] : tensor<?x2x4xf32> to tensor<?x2x2xf32>
  %negative = linalg.generic {indexing_maps = [#three, #three], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x2 : tensor<?x2x2xf32>) outs(%halves : tensor<?x2x2xf32>) {
  ^bb0(%a: f32, %out: f32):
    %r = arith.negf %a : f32
    linalg.yield %r : f32
  } -> tensor<?x2x2xf32>
  %low = tensor.insert_slice %negative into %heads[0, 0, 0] [%n, 2, 2] [1, 1, 1] : tensor<?x2x2xf32> into tensor<?x2x4xf32>
  %turned = tensor.insert_slice %x1 into %low[0, 0, 2] [%n, 2, 2] [1, 1, 1] : tensor<?x2x2xf32> into tensor<?x2x4xf32>
  %y3 = linalg.generic {indexing_maps = [#three, #angle, #three, #angle, #three], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x3, %cos, %turned, %sin : tensor<?x2x4xf32>, tensor<?x4xf32>, tensor<?x2x4xf32>, tensor<?x4xf32>) outs(%heads : tensor<?x2x4xf32>) {
  ^bb0(%a: f32, %c: f32, %b: f32, %s: f32, %out: f32):
    %p = arith.mulf %a, %c : f32
    %q = arith.mulf %b, %s : f32
    %r = arith.addf %p, %q : f32
    linalg.yield %r : f32
  } -> tensor<?x2x4xf32>
  %y = tensor.collapse_shape %y3 [[0], [1, 2]] : tensor<?x2x4xf32> into tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// Tables of angles, one for both halves; turned the other way it is no rotation.

// CHECK-LABEL: func.func @tables_of_angles
// CHECK-SAME: (%[[X:.*]]: tensor<?x4xf32>, %[[COS:.*]]: tensor<?x2xf32>, %[[SIN:.*]]: tensor<?x2xf32>, %{{.*}}: tensor<?x2x2xf32>)
// CHECK: linalg.generic
// CHECK: linalg.generic
// CHECK: %[[Y:.*]] = stc.rotary_embedding %[[X]], %[[COS]], %[[SIN]] :
// CHECK: return %[[Y]], %{{.*}}
#cs = affine_map<(t, h, c) -> (t, c)>
#hc = affine_map<(t, h, c) -> (t, h, c)>
func.func @tables_of_angles(%x: tensor<?x4xf32>, %cos: tensor<?x2xf32>, %sin: tensor<?x2xf32>,
                            %empty: tensor<?x2x2xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %part = tensor.empty(%n) : tensor<?x1x2xf32>
  %x3 = tensor.expand_shape %x [[0], [1, 2]] output_shape [%n, 1, 4] : tensor<?x4xf32> into tensor<?x1x4xf32>
  %x1 = tensor.extract_slice %x3[0, 0, 0] [%n, 1, 2] [1, 1, 1] : tensor<?x1x4xf32> to tensor<?x1x2xf32>
  %x2 = tensor.extract_slice %x3[0, 0, 2] [%n, 1, 2] [1, 1, 1] : tensor<?x1x4xf32> to tensor<?x1x2xf32>
  // expected-remark @below {{not raised}}
  %low = linalg.generic {indexing_maps = [#hc, #hc, #cs, #cs, #hc], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x1, %x2, %cos, %sin : tensor<?x1x2xf32>, tensor<?x1x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>) outs(%part : tensor<?x1x2xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32, %s: f32, %out: f32):
    %p = arith.mulf %c, %a : f32
    %q = arith.mulf %s, %b : f32
    %r = arith.subf %p, %q : f32
    linalg.yield %r : f32
  } -> tensor<?x1x2xf32>
  %high = linalg.generic {indexing_maps = [#hc, #hc, #cs, #cs, #hc], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x1, %x2, %cos, %sin : tensor<?x1x2xf32>, tensor<?x1x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>) outs(%part : tensor<?x1x2xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32, %s: f32, %out: f32):
    %p = arith.mulf %c, %b : f32
    %q = arith.mulf %s, %a : f32
    %r = arith.addf %p, %q : f32
    linalg.yield %r : f32
  } -> tensor<?x1x2xf32>
  // expected-remark @below {{not raised}}
  %other = linalg.generic {indexing_maps = [#hc, #hc, #cs, #cs, #hc], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x1, %x2, %cos, %sin : tensor<?x1x2xf32>, tensor<?x1x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>) outs(%part : tensor<?x1x2xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32, %s: f32, %out: f32):
    %p = arith.mulf %c, %b : f32
    %q = arith.mulf %s, %a : f32
    %r = arith.subf %p, %q : f32
    linalg.yield %r : f32
  } -> tensor<?x1x2xf32>
  %y3 = tensor.concat dim(2) %low, %high : (tensor<?x1x2xf32>, tensor<?x1x2xf32>) -> tensor<?x1x4xf32>
  %z3 = tensor.concat dim(2) %low, %other : (tensor<?x1x2xf32>, tensor<?x1x2xf32>) -> tensor<?x1x4xf32>
  %y = tensor.collapse_shape %y3 [[0], [1, 2]] : tensor<?x1x4xf32> into tensor<?x4xf32>
  %z = tensor.collapse_shape %z3 [[0], [1, 2]] : tensor<?x1x4xf32> into tensor<?x4xf32>
  return %y, %z : tensor<?x4xf32>, tensor<?x4xf32>
}
