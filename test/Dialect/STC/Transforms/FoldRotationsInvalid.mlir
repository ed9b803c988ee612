// stc-fold-rotations: one line for what it cannot do.
// RUN: stc-opt %s -split-input-file -verify-diagnostics --stc-fold-rotations
// RUN: %python %S/Inputs/rotation_model.py %t.mlir %t.ids
// RUN: not stc-opt %t.mlir --stc-quantize=spec=int8 --stc-fold-rotations 2>&1 | FileCheck %s --check-prefix=ORDER
// RUN: not stc-opt %t.mlir --stc-fold-rotations --stc-fold-rotations 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: stc-opt %t.mlir --stc-fold-rotations -o %t.out.mlir
// RUN: not stc-opt %t.out.mlir --stc-quantize=spec=int8 2>&1 | FileCheck %s --check-prefix=LOST

// ORDER: error: stc-fold-rotations: expects weights that are neither pruned nor quantized, got @layers.0.q
// TWICE: error: stc-fold-rotations: expects weights that are not rotated yet, got @embed
// LOST: @layers.0.q: expected a weight rotated in this process, got one marked rotated, whose values were not kept

// expected-error@below {{stc-fold-rotations: expects functions @forward and @head of one block}}
module {
  func.func @forward() { return }
}

// -----

// expected-error@below {{stc-fold-rotations: expects a stc.embedding in @forward, got none}}
module {
  func.func @forward() { return }
  func.func @head() { return }
}

// -----

// What is elementwise does not commute with a rotation.
stc.weight @table : tensor<8x4xf32> {value = dense<0.5> : tensor<8x4xf32>}
func.func @forward(%tokens: tensor<?xi32>) -> tensor<?x4xf32> {
  %table = stc.get_weight @table : tensor<8x4xf32>
  %x = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  // expected-error@below {{stc-fold-rotations: expects a hidden state that stc.embedding and stc.linear write, stc.scale scales, arith.addf sums and stc.rms_norm and stc.linear read, got stc.activation}}
  %y = stc.activation <relu> %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
func.func @head(%x: tensor<?x4xf32>) -> tensor<?x4xf32> { return %x : tensor<?x4xf32> }

// -----

// Neither does what a norm gives to something else than a matrix.
stc.weight @table : tensor<8x4xf32> {value = dense<0.5> : tensor<8x4xf32>}
stc.weight @norm : tensor<4xf32> {value = dense<0.5> : tensor<4xf32>}
func.func @forward(%tokens: tensor<?xi32>) -> tensor<?x4xf32> {
  %table = stc.get_weight @table : tensor<8x4xf32>
  %norm = stc.get_weight @norm : tensor<4xf32>
  %x = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %y = stc.rms_norm %x, %norm epsilon 1.0e-05 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  // expected-error-re@below {{expects a hidden state that {{.*}} read, got arith.addf}}
  %z = arith.addf %x, %y : tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}
func.func @head(%x: tensor<?x4xf32>) -> tensor<?x4xf32> { return %x : tensor<?x4xf32> }

// -----

// What is added has to come from a matrix or a table.
stc.weight @table : tensor<8x4xf32> {value = dense<0.5> : tensor<8x4xf32>}
// expected-error-re@below {{expects a hidden state that {{.*}} write, {{.*}}got func.func}}
func.func @forward(%tokens: tensor<?xi32>, %more: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %table = stc.get_weight @table : tensor<8x4xf32>
  %x = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %z = arith.addf %x, %more : tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}
func.func @head(%x: tensor<?x4xf32>) { return }

// -----

// A weight has one rotation.
stc.weight @table : tensor<4x4xf32> {value = dense<0.5> : tensor<4x4xf32>}
func.func @forward(%tokens: tensor<?xi32>) -> tensor<?x4xf32> {
  %table = stc.get_weight @table : tensor<4x4xf32>
  %x = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %z = stc.layer 0 (%h = %x : tensor<?x4xf32>) {
    // expected-error@below {{expects a weight to be read only where it is rotated alike, got @table here too}}
    %y = stc.linear %h, %table : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    %s = arith.addf %h, %y : tensor<?x4xf32>
    stc.yield %s : tensor<?x4xf32>
  }
  return %z : tensor<?x4xf32>
}
func.func @head(%x: tensor<?x4xf32>) { return }

// -----

// Or none elsewhere.
stc.weight @table : tensor<8x4xf32> {value = dense<0.5> : tensor<8x4xf32>}
func.func @forward(%tokens: tensor<?xi32>) -> tensor<?x4xf32> {
  %table = stc.get_weight @table : tensor<8x4xf32>
  %x = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  return %x : tensor<?x4xf32>
}
func.func @head(%x: tensor<?x4xf32>) { return }
func.func @other(%x: tensor<?x4xf32>) -> tensor<?x8xf32> {
  %table = stc.get_weight @table : tensor<8x4xf32>
  // expected-error@below {{expects a weight to be read only where it is rotated alike, got @table here too}}
  %y = stc.linear %x, %table : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// There is one hidden state.
stc.weight @table : tensor<8x4xf32> {value = dense<0.5> : tensor<8x4xf32>}
stc.weight @wide : tensor<8x6xf32> {value = dense<0.5> : tensor<8x6xf32>}
func.func @forward(%tokens: tensor<?xi32>) -> tensor<?x4xf32> {
  %table = stc.get_weight @table : tensor<8x4xf32>
  %wide = stc.get_weight @wide : tensor<8x6xf32>
  %x = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  // expected-error@below {{expects one hidden state of 4 channels, got another of 6}}
  %y = stc.embedding %tokens, %wide : (tensor<?xi32>, tensor<8x6xf32>) -> tensor<?x6xf32>
  return %x : tensor<?x4xf32>
}
func.func @head(%x: tensor<?x4xf32>) { return }

// -----

// Weights have to be known.
func.func @forward(%tokens: tensor<?xi32>, %table: tensor<8x4xf32>) -> tensor<?x4xf32> {
  // expected-error@below {{expects weights that stc.get_weight reads, got another value}}
  %x = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  return %x : tensor<?x4xf32>
}
func.func @head(%x: tensor<?x4xf32>) { return }
