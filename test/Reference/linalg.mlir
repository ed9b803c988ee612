// linalg on tensors, point by point, and what moves elements.
// RUN: stc-opt %s --stc-interpret=function=structured -o /dev/null | FileCheck %s
// RUN: stc-opt %s --stc-interpret=function=choices -o /dev/null | FileCheck %s --check-prefix=CHOICES
// RUN: stc-opt %s --stc-interpret=function=moved -o /dev/null | FileCheck %s --check-prefix=MOVED
// RUN: not stc-opt %s --stc-interpret=function=outside -o /dev/null 2>&1 | FileCheck %s --check-prefix=OUTSIDE
// RUN: not stc-opt %s --stc-interpret=function=uneven -o /dev/null 2>&1 | FileCheck %s --check-prefix=UNEVEN

// CHECK: 2x2
// CHECK-NEXT: 10 12
// CHECK-NEXT: 22 28
// CHECK-NEXT: 2{{$}}
// CHECK-NEXT: 22 50
// CHECK-NEXT: 2x2
// CHECK-NEXT: 10 22
// CHECK-NEXT: 12 28
// CHECK-NEXT: 2x2
// CHECK-NEXT: 0.5 0.5
// CHECK-NEXT: 0.249999996 0.750000004
func.func @structured() -> (tensor<2x2xf32>, tensor<2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) {
  %x = arith.constant dense<[[1., 2., 1.], [3., 4., 1.]]> : tensor<2x3xf32>
  %y = arith.constant dense<[[1., 2.], [3., 4.], [2., 2.]]> : tensor<3x2xf32>
  %start = arith.constant dense<[[1., 0.], [5., 4.]]> : tensor<2x2xf32>
  %zeros = arith.constant dense<0.0> : tensor<2xf32>
  %logits = arith.constant dense<[[7., 7.], [0., 1.0986122886681098]]> : tensor<2x2xf32>
  %a = linalg.matmul ins(%x, %y : tensor<2x3xf32>, tensor<3x2xf32>) outs(%start : tensor<2x2xf32>) -> tensor<2x2xf32>
  %b = linalg.reduce { arith.addf } ins(%a : tensor<2x2xf32>) outs(%zeros : tensor<2xf32>) dimensions = [1]
  %c = linalg.transpose ins(%a : tensor<2x2xf32>) outs(%start : tensor<2x2xf32>) permutation = [1, 0]
  %d = linalg.softmax dimension(1) ins(%logits : tensor<2x2xf32>) outs(%start : tensor<2x2xf32>) -> tensor<2x2xf32>
  return %a, %b, %c, %d : tensor<2x2xf32>, tensor<2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
}

// The place where it is at least 1, else the square root; row i of a table by its number.
// CHOICES: 3{{$}}
// CHOICES-NEXT: 0.5 1 2
// CHOICES-NEXT: 2x2
// CHOICES-NEXT: 5 6
// CHOICES-NEXT: 1 2
func.func @choices() -> (tensor<3xf32>, tensor<2x2xf32>) {
  %x = arith.constant dense<[0.25, 9.0, 9.0]> : tensor<3xf32>
  %one = arith.constant 1 : i64
  %a = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<3xf32>) outs(%x : tensor<3xf32>) {
  ^bb0(%v: f32, %out: f32):
    %i = linalg.index 0 : index
    %j = arith.index_cast %i : index to i64
    %p = arith.sitofp %j : i64 to f32
    %r = math.sqrt %v : f32
    %c = arith.cmpi sge, %j, %one : i64
    %s = arith.select %c, %p, %r : f32
    linalg.yield %s : f32
  } -> tensor<3xf32>
  %table = arith.constant dense<[[1., 2.], [3., 4.], [5., 6.]]> : tensor<3x2xf32>
  %rows = arith.constant dense<[2, 0]> : tensor<2xi32>
  %empty = tensor.empty() : tensor<2x2xf32>
  %b = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      ins(%rows : tensor<2xi32>) outs(%empty : tensor<2x2xf32>) {
  ^bb0(%row: i32, %out: f32):
    %i = arith.index_cast %row : i32 to index
    %j = linalg.index 1 : index
    %v = tensor.extract %table[%i, %j] : tensor<3x2xf32>
    linalg.yield %v : f32
  } -> tensor<2x2xf32>
  return %a, %b : tensor<3xf32>, tensor<2x2xf32>
}

// MOVED: 2x2x1
// MOVED-NEXT: 1
// MOVED-NEXT: 2
// MOVED-NEXT: 3
// MOVED-NEXT: 4
// MOVED-NEXT: 2x4
// MOVED-NEXT: 1 2 3 4
// MOVED-NEXT: 3 4 1 2
// MOVED-NEXT: 2x4
// MOVED-NEXT: 1 1 2 4
// MOVED-NEXT: 3 3 4 2
func.func @moved() -> (tensor<2x2x1xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %x = arith.constant dense<[1., 2., 3., 4.]> : tensor<4xf32>
  %a = tensor.expand_shape %x [[0, 1, 2]] output_shape [2, 2, 1] : tensor<4xf32> into tensor<2x2x1xf32>
  %b = tensor.collapse_shape %a [[0], [1, 2]] : tensor<2x2x1xf32> into tensor<2x2xf32>
  %y = arith.constant dense<[[3., 4.], [1., 2.]]> : tensor<2x2xf32>
  %c = tensor.concat dim(1) %b, %y : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x4xf32>
  %d = tensor.insert_slice %b into %c[0, 1] [2, 2] [1, 1] : tensor<2x2xf32> into tensor<2x4xf32>
  return %a, %c, %d : tensor<2x2x1xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}

// OUTSIDE: error: tensor.extract: expected indices within 3x2, got 3
func.func @outside() -> tensor<1xf32> {
  %table = arith.constant dense<0.0> : tensor<3x2xf32>
  %three = arith.constant 3 : index
  %empty = tensor.empty() : tensor<1xf32>
  %x = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      outs(%empty : tensor<1xf32>) {
  ^bb0(%out: f32):
    %i = linalg.index 0 : index
    %v = tensor.extract %table[%three, %i] : tensor<3x2xf32>
    linalg.yield %v : f32
  } -> tensor<1xf32>
  return %x : tensor<1xf32>
}

// UNEVEN: error: linalg.add: expected operands that loop 0 goes over 3 times, got 2
func.func @uneven() -> tensor<?xf32> {
  %x = arith.constant dense<0.0> : tensor<3xf32>
  %y = arith.constant dense<0.0> : tensor<2xf32>
  %a = tensor.cast %x : tensor<3xf32> to tensor<?xf32>
  %b = tensor.cast %y : tensor<2xf32> to tensor<?xf32>
  %c = linalg.add ins(%a, %b : tensor<?xf32>, tensor<?xf32>) outs(%a : tensor<?xf32>) -> tensor<?xf32>
  return %c : tensor<?xf32>
}
